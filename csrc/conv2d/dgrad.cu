// gx[n,c,h,w] = sum_{r,s,o} gy[n, o, (h + padding - r) / stride, ...] w[o,c,r,s], over the taps for
// which that is whole, as dense products: the transposed convolution of one group, dilation 1.
// Reference: kernels/conv2d/reference.py.
//
// Pixels whose h and w leave the same remainders by the strides meet the same taps: a phase of
// stride_h stride_w, blockIdx.z. With h = i stride_h + a, only taps r = r0 + t stride_h, where
// r0 = (a + padding_h) mod stride_h, meet it, at line i + (a + padding_h) / stride_h - t of gy: a
// convolution of stride 1 that multiplies no zeros between pixels. A phase without taps writes
// zeros.
//
// Rows are pixels (n, i, j) of a phase, columns are channels of x, the inner extent is (t, u, o).
// m and depth are those of the largest phase. w is packed to (R, S, C, O), four of its o are a
// float4. With several chunks gx is (chunks, N, H, W, C), which split_sums adds. Traffic and tails
// are those of conv2d.cu.
#include "conv2d/conv2d.cuh"

// One axis of a phase: which taps meet it, and where.
struct PhaseAxis {
  int extent;  // pixels
  int tap, taps;
  int first;  // what pixel 0 sees by tap 0

  __device__ __forceinline__ PhaseAxis(int rest, int size, int stride, int padding, int all) {
    extent = rest < size ? (size - rest - 1) / stride + 1 : 0;
    tap = (rest + padding) % stride;
    taps = tap < all ? (all - tap - 1) / stride + 1 : 0;
    first = (rest + padding) / stride;
  }
};

// The matrix (channels of x, taps of the phase and o) of the packed weights.
struct PhaseWeights {
  const float* from;
  int channels, outputs, depth;
  int tap_h, tap_w, stride_h, stride_w, taps_w, all_w;
  bool wide;
  int i;

  __device__ __forceinline__ bool along_k() const { return true; }
  __device__ __forceinline__ void start(int first) { i = first; }
  __device__ __forceinline__ const float* at(const Tap& t) const {
    int r = tap_h + t.r * stride_h, s = tap_w + t.s * stride_w;
    return from + ((r * all_w + s) * channels + i) * outputs + t.c;
  }

  __device__ __forceinline__ float4 four(int k) const {
    if (k >= depth || i >= channels) return make_float4(0, 0, 0, 0);
    Tap tap(k, outputs, taps_w);
    if (wide) return *reinterpret_cast<const float4*>(at(tap));
    float v[4];
#pragma unroll
    for (int j = 0; j < 4; ++j, tap.next(outputs, taps_w)) v[j] = k + j < depth ? *at(tap) : 0.0f;
    return make_float4(v[0], v[1], v[2], v[3]);
  }
};

// The pixels of a phase in gx (N, H, W, C).
struct PhaseOut {
  float* to;
  int rows, columns, channels, extent;  // of the phase's grid, and of its matrix
  int height, width, stride_h, stride_w, rest_h, rest_w;

  __device__ __forceinline__ void four(int i, int c, float4 v) const {
    if (i >= extent || c >= channels) return;
    int line = static_cast<unsigned>(i) / static_cast<unsigned>(columns);
    int image = static_cast<unsigned>(line) / static_cast<unsigned>(rows);
    int h = (line - image * rows) * stride_h + rest_h, w = (i - line * columns) * stride_w + rest_w;
    float* p = to + ((image * height + h) * width + w) * channels + c;
    store_four(p, v, channels - c, channels % 4 == 0 && by_four(to));
  }
};

template <class Tile>
__device__ __forceinline__ void backward(const float* gy, const float* w, float* gx, int chunk,
                                         const TgConv& conv, typename Tile::Shared& shared) {
  int a = blockIdx.z / conv.stride_w, b = blockIdx.z % conv.stride_w;
  PhaseAxis y(a, conv.height, conv.stride_h, conv.padding_h, conv.r);
  PhaseAxis x(b, conv.width, conv.stride_w, conv.padding_w, conv.s);
  int extent = conv.images * y.extent * x.extent, depth = y.taps * x.taps * conv.outputs;
  TilePlace<Tile> at(conv.channels, depth, chunk);
  if (at.row >= extent) return;
  Window window{conv.p, conv.q, conv.outputs, y.extent, x.extent, x.taps,
                1,      1,      y.first,      x.first,  -1,       -1};
  GatherFetch pixels(gy, window, extent, depth);
  PhaseWeights weights{w,
                       conv.channels,
                       conv.outputs,
                       depth,
                       y.tap,
                       x.tap,
                       conv.stride_h,
                       conv.stride_w,
                       x.taps,
                       conv.s,
                       conv.outputs % 4 == 0 && by_four(w),
                       0};
  long long size = static_cast<long long>(conv.images) * conv.height * conv.width * conv.channels;
  PhaseOut out{gx + blockIdx.y * size,
               y.extent,
               x.extent,
               conv.channels,
               extent,
               conv.height,
               conv.width,
               conv.stride_h,
               conv.stride_w,
               a,
               b};
  Tile::run(pixels, weights, out, shared, at.row, at.column, at.first, at.end);
}

// m, n and depth are those of the largest of the phases; they shape the grid.
TG_KERNEL __launch_bounds__(256)
    conv2d_dgrad_64(const float* __restrict__ gy, const float* __restrict__ w,
                    float* __restrict__ out, int m, int n, int depth, int chunk, int phases,
                    TgConv conv) {
  __shared__ SmallTile::Shared shared;
  backward<SmallTile>(gy, w, out, chunk, conv, shared);
}

TG_KERNEL __launch_bounds__(256, 2)
    conv2d_dgrad_128(const float* __restrict__ gy, const float* __restrict__ w,
                     float* __restrict__ out, int m, int n, int depth, int chunk, int phases,
                     TgConv conv) {
  __shared__ LargeTile::Shared shared;
  backward<LargeTile>(gy, w, out, chunk, conv, shared);
}

// The image has at most 4 channels.
TG_KERNEL __launch_bounds__(128)
    conv2d_dgrad_thin(const float* __restrict__ gy, const float* __restrict__ w,
                      float* __restrict__ out, int m, int n, int depth, int chunk, int phases,
                      TgConv conv) {
  __shared__ ThinTile::Shared shared;
  backward<ThinTile>(gy, w, out, chunk, conv, shared);
}
