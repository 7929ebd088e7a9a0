// softmax = exp(x - m) / sum exp(x - m), logsumexp = log sum exp(x - m) + m, and softmax's vjp
// y * (gy - sum gy y), along the rows of a matrix (R, M). Reference: kernels/softmax/reference.py.
//
// tg_rows.cuh: a warp or a block a row. m is the row's largest entry, 0 where that is infinite, so
// that the definition's own infinities and NaN come out. Exponentials are computed twice, for the
// sum and for y, which is cheaper than to write and read them.
//
// Traffic: softmax 8 bytes an entry, the vjp 12, logsumexp 4; the second and third look at a row
// come from the cache. Tails: lanes beyond a row add nothing, warps beyond the last row leave.
// Outputs may be the input itself: a thread reads what it overwrites, and nobody else does.
#include "common/tg_rows.cuh"

__device__ __forceinline__ float finite_max(const Row& row, const float* x, int width,
                                            float* scratch) {
  float m = __int_as_float(static_cast<int>(0xff800000u));  // -inf
  for (int k = row.first; k < width; k += row.step) m = fmaxf(m, x[k]);
  m = row.max(m, scratch);
  return isfinite(m) ? m : 0.0f;
}

__device__ __forceinline__ float exponentials(const Row& row, const float* x, int width, float m,
                                              float* scratch) {
  float sum = 0;
  for (int k = row.first; k < width; k += row.step) sum += expf(x[k] - m);
  return row.sum(sum, scratch);
}

TG_KERNEL __launch_bounds__(256)
    softmax(const float* x, float* y, int rows, int width, int row_threads) {
  __shared__ float scratch[kMostWarps];
  Row row(row_threads);
  if (row.index >= rows) return;
  x += static_cast<long long>(row.index) * width;
  y += static_cast<long long>(row.index) * width;
  float m = finite_max(row, x, width, scratch);
  float inverse = 1 / exponentials(row, x, width, m, scratch);
  for (int k = row.first; k < width; k += row.step) y[k] = expf(x[k] - m) * inverse;
}

TG_KERNEL __launch_bounds__(256)
    softmax_vjp(const float* y, const float* gy, float* gx, int rows, int width, int row_threads) {
  __shared__ float scratch[kMostWarps];
  Row row(row_threads);
  if (row.index >= rows) return;
  long long first = static_cast<long long>(row.index) * width;
  float sum = 0;
  for (int k = row.first; k < width; k += row.step) sum += gy[first + k] * y[first + k];
  sum = row.sum(sum, scratch);
  for (int k = row.first; k < width; k += row.step)
    gx[first + k] = y[first + k] * (gy[first + k] - sum);
}

TG_KERNEL __launch_bounds__(256) logsumexp(const float* __restrict__ x, float* __restrict__ y,
                                           int rows, int width, int row_threads) {
  __shared__ float scratch[kMostWarps];
  Row row(row_threads);
  if (row.index >= rows) return;
  x += static_cast<long long>(row.index) * width;
  float m = finite_max(row, x, width, scratch);
  float sum = exponentials(row, x, width, m, scratch);
  if (row.first == 0) y[row.index] = logf(sum) + m;
}
