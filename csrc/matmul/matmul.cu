// y = a b, or y = x w^T + bias. Reference: kernels/matmul/reference.py.
//
// a is (m, depth) and b (depth, n), each at any strides, so that nobody copies a transposed view;
// y is in C order. A block makes a tile of y (tg_gemm.cuh), blockIdx.x of them, from `chunk` of the
// inner extent, blockIdx.y of those. With more than one chunk y is (chunks, m, n), which
// split_sums adds from the first to the last: few tiles of long sums would leave most of a GPU
// idle. kernels/cuda/products.py chooses tile and chunk from the shape alone.
//
// Traffic: a once for each 64 or 128 columns of y, b once for each 64 or 128 rows, y once; a split
// writes and reads y once more a chunk. Operands are read as float4 where their lines begin on
// multiples of 16 bytes. Tails: what lies beyond a matrix counts as 0 and is not written.
#include "common/tg_gemm.cuh"

template <class Tile>
__device__ __forceinline__ void product(const float* a, const float* b, const float* bias, float* y,
                                        int m, int n, int depth, int a_row, int a_step,
                                        int b_column, int b_step, int chunk,
                                        typename Tile::Shared& shared) {
  TilePlace<Tile> at(n, depth, chunk);
  StridedFetch rows(a, m, depth, a_row, a_step), columns(b, n, depth, b_column, b_step);
  MatrixOut out{y + static_cast<long long>(blockIdx.y) * m * n, bias, m, n};
  Tile::run(rows, columns, out, shared, at.row, at.column, at.first, at.end);
}

// a's entry (i, k) lies at i * a_row + k * a_step, b's (k, j) at j * b_column + k * b_step.
TG_KERNEL __launch_bounds__(256)
    matmul_64(const float* __restrict__ a, const float* __restrict__ b,
              const float* __restrict__ bias, float* __restrict__ y, int m, int n, int depth,
              int a_row, int a_step, int b_column, int b_step, int chunk) {
  __shared__ SmallTile::Shared shared;
  product<SmallTile>(a, b, bias, y, m, n, depth, a_row, a_step, b_column, b_step, chunk, shared);
}

TG_KERNEL __launch_bounds__(256, 2)
    matmul_128(const float* __restrict__ a, const float* __restrict__ b,
               const float* __restrict__ bias, float* __restrict__ y, int m, int n, int depth,
               int a_row, int a_step, int b_column, int b_step, int chunk) {
  __shared__ LargeTile::Shared shared;
  product<LargeTile>(a, b, bias, y, m, n, depth, a_row, a_step, b_column, b_step, chunk, shared);
}

// y (count,) = the sum of partial (splits, count), and bias (columns,) added to every row of it.
TG_KERNEL __launch_bounds__(256)
    split_sums(const float* __restrict__ partial, const float* __restrict__ bias,
               float* __restrict__ y, int splits, int count, int columns) {
  for (long long i = global_thread(); i < count; i += global_threads()) {
    float total = partial[i];
    for (int s = 1; s < splits; ++s) total += partial[s * static_cast<long long>(count) + i];
    y[i] = bias ? total + bias[i % columns] : total;
  }
}
