// gw[o,c,r,s] = sum_{n,p,q} gy[n,o,p,q] x[n, c, p stride - padding + r dilation, ...], one group,
// as a product whose right matrix is gathered as it is read. Reference:
// kernels/conv2d/reference.py.
//
// Rows are output channels, columns are (r, s, c), the inner extent is pixels (n, p, q): m = O,
// n = R S C, depth = N P Q. That is one sum over a whole batch for a few tiles, so it is mostly cut
// into chunks: gw is (chunks, O, C, R, S) then, which split_sums adds. Traffic: gy once for each 64
// or 128 columns, x once for each tap and each 64 or 128 output channels, most of it from L2; gw
// once a chunk, in its own order, to lines R S floats apart. Tails: padding and what lies beyond a
// matrix count as 0, so a NaN of gy reaches taps that see only padding for it.
#include "conv2d/conv2d.cuh"

// The matrix (taps and channels, pixels) of an image: four channels at one pixel.
struct TapFetch {
  const float* from;
  Window win;
  int extent, depth;
  bool wide;  // four channels are one tap's, and lie on 16 bytes
  int i;
  Tap tap;

  __device__ __forceinline__ TapFetch(const float* at, const Window& window, int extent, int depth)
      : from(at), win(window), extent(extent), depth(depth), i(0), tap(0, 1, 1) {
    wide = window.channels % 4 == 0 && by_four(at);
  }
  __device__ __forceinline__ bool along_k() const { return false; }
  __device__ __forceinline__ void start(int first) {
    i = first;
    tap = Tap(first, win.channels, win.taps_w);
  }

  __device__ __forceinline__ float4 four(int k) const {
    if (k >= depth || i >= extent) return make_float4(0, 0, 0, 0);
    Pixel pixel(win, k);
    if (wide) {
      int at = pixel.at(win, tap);
      return at < 0 ? make_float4(0, 0, 0, 0) : *reinterpret_cast<const float4*>(from + at);
    }
    float v[4];
    Tap t = tap;
#pragma unroll
    for (int j = 0; j < 4; ++j, t.next(win.channels, win.taps_w)) {
      int at = i + j < extent ? pixel.at(win, t) : -1;
      v[j] = at < 0 ? 0.0f : from[at];
    }
    return make_float4(v[0], v[1], v[2], v[3]);
  }
};

// gw (O, C, R, S), met in the order (o, r, s, c).
struct WeightOut {
  float* to;
  int outputs, channels, r, s;

  __device__ __forceinline__ void four(int o, int j, float4 v) const {
    int inner = channels * r * s;
    if (o >= outputs || j >= inner) return;
    Tap t(j, channels, s);
    float entries[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int e = 0; e < 4; ++e, t.next(channels, s))
      if (j + e < inner) to[o * inner + (t.c * r + t.r) * s + t.s] = entries[e];
  }
};

template <class Tile>
__device__ __forceinline__ void weights(const float* x, const float* gy, float* gw, int m, int n,
                                        int depth, int chunk, const TgConv& conv,
                                        typename Tile::Shared& shared) {
  TilePlace<Tile> at(n, depth, chunk);
  StridedFetch outputs(gy, m, depth, 1, m);
  TapFetch taps(x, forward_window(conv), n, depth);
  WeightOut out{gw + static_cast<long long>(blockIdx.y) * m * n, m, conv.channels, conv.r, conv.s};
  Tile::run(outputs, taps, out, shared, at.row, at.column, at.first, at.end);
}

TG_KERNEL __launch_bounds__(256)
    conv2d_wgrad_64(const float* __restrict__ x, const float* __restrict__ gy,
                    float* __restrict__ out, int m, int n, int depth, int chunk, TgConv conv) {
  __shared__ SmallTile::Shared shared;
  weights<SmallTile>(x, gy, out, m, n, depth, chunk, conv, shared);
}

TG_KERNEL __launch_bounds__(256, 2)
    conv2d_wgrad_128(const float* __restrict__ x, const float* __restrict__ gy,
                     float* __restrict__ out, int m, int n, int depth, int chunk, TgConv conv) {
  __shared__ LargeTile::Shared shared;
  weights<LargeTile>(x, gy, out, m, n, depth, chunk, conv, shared);
}
