// The products of attention: C = gain * op(A) op(B) for every item of a batch, where op may
// transpose. Reference: kernels/attention/reference.py.
//
// attention and its vjp are these products around softmax's kernels by row (softmax.cu):
//
//     p = softmax(scale * q k^T)      y = p v
//     gv = p^T gy      gp = gy v^T      gs = softmax_vjp(p, gp)
//     gq = scale * gs k      gk = scale * gs^T q
//
// Why not one kernel that keeps the scores in shared memory: it would bound the number of keys, or
// scale sums again as maxima grow; these take every shape, each output is one sum in one order, and
// weights that are written to memory cost the products of a GAN's attention (L and S some hundreds)
// little. The launcher takes as many items at once as the weights of which fit its limit.
//
// A block of 256 threads makes a tile of 64 x 64; a thread 4 x 4 of it. Runs of 16 of the inner
// extent go through shared memory, stored by columns so that a thread reads its four as a float4.
// Traffic: A once for each 64 columns of C, B once for each 64 rows, C once. Tails: what lies
// beyond a matrix counts as 0 on both sides, and is not written.
#include "common/tg_device.cuh"

enum { kTile = 64, kDepth = 16, kFours = kTile / 4 };

// Copy entries (first + i, inner + k) of a matrix (extent, depth) to to[k][i]; `turned`: it lies in
// memory as (depth, extent). Neighbouring threads read along memory either way.
__device__ __forceinline__ void fetch(const float* from, float4 (*to)[kFours + 1], int first,
                                      int inner, int extent, int depth, int turned) {
#pragma unroll
  for (int round = 0; round < kTile * kDepth / 256; ++round) {
    int t = threadIdx.x + 256 * round;
    int i = turned ? t % kTile : t / kDepth, k = turned ? t / kTile : t % kDepth;
    long long row = first + i, column = inner + k;
    bool inside = row < extent && column < depth;
    long long at = turned ? column * extent + row : row * depth + column;
    reinterpret_cast<float*>(to[k])[i] = inside ? from[at] : 0.0f;
  }
}

// A (items, m, depth) or turned (items, depth, m), B (items, depth, n) or turned (items, n, depth).
TG_KERNEL __launch_bounds__(256, 4)
    attention_product(const float* __restrict__ a, const float* __restrict__ b,
                      float* __restrict__ c, int items, int m, int n, int depth, int turn_a,
                      int turn_b, float gain) {
  __shared__ float4 rows[kDepth][kFours + 1], columns[kDepth][kFours + 1];
  int across = (n + kTile - 1) / kTile;
  int first_row = blockIdx.x / across * kTile, first_column = blockIdx.x % across * kTile;
  int ty = threadIdx.x / kFours, tx = threadIdx.x % kFours;
  long long item = blockIdx.y;
  if (item >= items) return;
  a += item * m * depth;
  b += item * n * depth;
  float sum[4][4] = {};
  for (int inner = 0; inner < depth; inner += kDepth) {
    fetch(a, rows, first_row, inner, m, depth, turn_a);
    fetch(b, columns, first_column, inner, n, depth, !turn_b);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kDepth; ++k) {
      float4 r = rows[k][ty], q = columns[k][tx];
      float left[4] = {r.x, r.y, r.z, r.w}, right[4] = {q.x, q.y, q.z, q.w};
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) sum[i][j] += left[i] * right[j];
    }
    __syncthreads();  // the tiles are still read before the next ones land
  }
  c += item * m * n;
#pragma unroll
  for (int i = 0; i < 4; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      long long row = first_row + 4 * ty + i;
      int column = first_column + 4 * tx + j;
      if (row < m && column < n) c[row * n + column] = sum[i][j] * gain;
    }
}
