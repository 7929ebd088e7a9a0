// y = weight * x_hat + bias along the rows of x (R, M), and its vjp. Reference:
// kernels/layer_norm/reference.py.
//
//     g = gy * weight      gx = (g - mean(g) - x_hat * mean(g * x_hat)) / std      by row
//     gweight = sum over rows of gy * x_hat      gbias = sum over rows of gy
//
// tg_rows.cuh: a warp or a block a row; sums are float64 and variances are taken about the mean, in
// a second look at the row. A few very long rows leave multiprocessors idle: a row is one block's.
//
// layer_norm: 8 bytes an element; the second and third look at a row come from the cache.
// layer_norm_vjp: gx, and what the columns need of each row: normals (R, 3).
// layer_norm_vjp_columns: partial sums of runs of rows (tg_segments.cuh), one segment.
// layer_norm_vjp_totals: a warp a column. The vjp takes 20 bytes an element.
// Tails: lanes beyond a row add nothing, warps beyond the last row leave; columns as in
// tg_segments.cuh.
#include "common/tg_moments.cuh"
#include "common/tg_rows.cuh"
#include "common/tg_segments.cuh"

__device__ __forceinline__ Normal row_normal(const Row& row, const float* x, int width, double eps,
                                             double* scratch) {
  double sum = 0, squares = 0;
#pragma unroll 4
  for (int k = row.first; k < width; k += row.step) sum += x[k];
  double mean = row.sum(sum, scratch) / width;
#pragma unroll 4
  for (int k = row.first; k < width; k += row.step) {
    double d = x[k] - mean;
    squares += d * d;
  }
  return normal_of(mean, row.sum(squares, scratch) / width, eps);
}

TG_KERNEL __launch_bounds__(256)
    layer_norm(const float* __restrict__ x, const float* __restrict__ weight,
               const float* __restrict__ bias, float* __restrict__ y, int rows, int width,
               int row_threads, double eps) {
  __shared__ double scratch[kMostWarps];
  Row row(row_threads);
  if (row.index >= rows) return;
  x += static_cast<long long>(row.index) * width;
  y += static_cast<long long>(row.index) * width;
  Normal normal = row_normal(row, x, width, eps, scratch);
#pragma unroll 4
  for (int k = row.first; k < width; k += row.step) y[k] = normal.x_hat(x[k]) * weight[k] + bias[k];
}

TG_KERNEL __launch_bounds__(256)
    layer_norm_vjp(const float* __restrict__ x, const float* __restrict__ weight,
                   const float* __restrict__ gy, float* __restrict__ gx,
                   float* __restrict__ normals, int rows, int width, int row_threads, double eps) {
  __shared__ double scratch[kMostWarps];
  Row row(row_threads);
  if (row.index >= rows) return;
  long long at = static_cast<long long>(row.index) * width;
  x += at, gy += at, gx += at;
  Normal normal = row_normal(row, x, width, eps, scratch);
  double g_sum = 0, gx_hat_sum = 0;
#pragma unroll 2
  for (int k = row.first; k < width; k += row.step) {
    double g = gy[k] * weight[k];
    g_sum += g;
    gx_hat_sum += g * normal.x_hat(x[k]);
  }
  float g_mean = static_cast<float>(row.sum(g_sum, scratch) / width);
  float gx_hat_mean = static_cast<float>(row.sum(gx_hat_sum, scratch) / width);
#pragma unroll 2
  for (int k = row.first; k < width; k += row.step)
    gx[k] = (gy[k] * weight[k] - g_mean - normal.x_hat(x[k]) * gx_hat_mean) * normal.inv_std;
  if (row.first != 0) return;
  float* out = normals + 3LL * row.index;
  out[0] = normal.hi, out[1] = normal.lo, out[2] = normal.inv_std;
}

// `columns` is M, and a wide row holds width / M rows.
TG_KERNEL __launch_bounds__(256)
    layer_norm_vjp_columns(const float* __restrict__ x, const float* __restrict__ gy,
                           const float* __restrict__ normals, double* __restrict__ partial,
                           int segments, int n, int columns, int width, int rows_a_block) {
  __shared__ double scratch[kColumnThreads];
  SegmentTile<1> tile(segments, n, width, rows_a_block);
  int folds = width / columns, fold = tile.column / columns;
  double g_sum = 0, gx_hat_sum = 0;
#pragma unroll 4
  for (int row = tile.row; row < tile.end; row += kRowsAtOnce) {
    const float* of = normals + 3LL * (row * folds + fold);
    Normal normal = {of[0], of[1], of[2]};
    double g = gy[tile.at(row)];
    g_sum += g;
    gx_hat_sum += g * normal.x_hat(x[tile.at(row)]);
  }
  write_sum(tile, g_sum, scratch, partial, 0, 2);
  write_sum(tile, gx_hat_sum, scratch, partial, 1, 2);
}

TG_KERNEL __launch_bounds__(256)
    layer_norm_vjp_totals(const double* __restrict__ partial, float* __restrict__ gweight,
                          float* __restrict__ gbias, int columns, int width, int blocks) {
  int c = static_cast<int>(global_thread() / kWarp);
  if (c >= columns) return;
  double g_sum = channel_sum(partial, 0, blocks, 0, width, columns, c);
  double gx_hat_sum = channel_sum(partial, 0, blocks, 1, width, columns, c);
  if (threadIdx.x % kWarp != 0) return;
  gweight[c] = static_cast<float>(gx_hat_sum);
  gbias[c] = static_cast<float>(g_sum);
}
