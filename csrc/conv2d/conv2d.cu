// y[n,o,p,q] = sum_{r,s,c} x[n, c, p stride - padding + r dilation, ...] w[o,c,r,s], one group, as
// a product whose left matrix is gathered as it is read (implicit GEMM). Reference:
// kernels/conv2d/reference.py.
//
// Rows are pixels (n, p, q), columns are output channels, the inner extent is (r, s, c): m = N P Q,
// n = O, depth = R S C. x and y are NHWC, so y is the product's matrix in C order, and four
// channels of a tap are one float4. w is packed to (R, S, C, O) by conv2d_pack first. Blocks, tiles
// and chunks are as in matmul.cu; with several chunks y is (chunks, m, n), which split_sums adds.
//
// Traffic: each pixel of x once for each tap and each 64 or 128 output channels, most of it from
// L2; w once for each 64 or 128 pixels; y once. Tails: padding and what lies beyond a matrix count
// as 0, so a NaN weight reaches outputs that see only padding through it.
#include "conv2d/conv2d.cuh"

enum { kSquare = 32 };

// packed (R, S, C, O) of w (O, C, R, S); taps is R S. A block transposes 32 x 32.
TG_KERNEL __launch_bounds__(256)
    conv2d_pack(const float* __restrict__ w, float* __restrict__ packed, int outputs, int channels,
                int taps) {
  __shared__ float square[kSquare][kSquare + 1];
  int inner = channels * taps, across = (inner + kSquare - 1) / kSquare;
  int j = blockIdx.x % across * kSquare, o = blockIdx.x / across * kSquare;
  int lane = threadIdx.x % kSquare, line = threadIdx.x / kSquare;
  for (int i = line; i < kSquare; i += 256 / kSquare)
    if (o + i < outputs && j + lane < inner) square[i][lane] = w[(o + i) * inner + j + lane];
  __syncthreads();
  for (int i = line; i < kSquare; i += 256 / kSquare) {
    int c = (j + i) / taps, tap = (j + i) % taps;
    if (o + lane < outputs && j + i < inner)
      packed[(tap * channels + c) * outputs + o + lane] = square[lane][i];
  }
}

template <class Tile>
__device__ __forceinline__ void forward(const float* x, const float* w, float* y, int m, int n,
                                        int depth, int chunk, const TgConv& conv,
                                        typename Tile::Shared& shared) {
  TilePlace<Tile> at(n, depth, chunk);
  GatherFetch pixels(x, forward_window(conv), m, depth);
  StridedFetch weights(w, n, depth, 1, n);
  MatrixOut out{y + static_cast<long long>(blockIdx.y) * m * n, nullptr, m, n};
  Tile::run(pixels, weights, out, shared, at.row, at.column, at.first, at.end);
}

TG_KERNEL __launch_bounds__(256)
    conv2d_64(const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ out,
              int m, int n, int depth, int chunk, TgConv conv) {
  __shared__ SmallTile::Shared shared;
  forward<SmallTile>(x, w, out, m, n, depth, chunk, conv, shared);
}

TG_KERNEL __launch_bounds__(256, 2)
    conv2d_128(const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ out,
               int m, int n, int depth, int chunk, TgConv conv) {
  __shared__ LargeTile::Shared shared;
  forward<LargeTile>(x, w, out, m, n, depth, chunk, conv, shared);
}

// n is at most 4.
TG_KERNEL __launch_bounds__(128)
    conv2d_thin(const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ out,
                int m, int n, int depth, int chunk, TgConv conv) {
  __shared__ ThinTile::Shared shared;
  forward<ThinTile>(x, w, out, m, n, depth, chunk, conv, shared);
}
