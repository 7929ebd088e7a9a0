// y = w / sigma, sigma = u^T W v; its vjp; power iteration v = unit(W^T u), u = unit(W v), with
// unit(a) = a / max(|a|, eps). Reference: kernels/spectral_norm/reference.py.
//
// W is (O, K). All are matrix-vector products, bound by reading W; products and sums are float64,
// tg_segments.cuh says at what price. Sigma, which all blocks need, each of them adds up for itself
// in the same order from the O products of the rows: some kilobytes from the cache in place of a
// launch.
//
// spectral_rows: a block a row: W v, and <gy, W> row by row where gy is given.
// spectral_columns: W^T u, as partial sums of runs of rows (tg_segments.cuh).
// spectral_unit: one block adds partial sums up and divides by their norm.
// spectral_norm, spectral_norm_vjp: elementwise over W. Traffic in floats of W: power iteration 2,
// spectral_norm 3, its vjp 5, of which W and gy come from the L2 cache the second time where they
// fit. Tails: a thread strides over what there is, so there are none.
#include "common/tg_segments.cuh"

TG_KERNEL __launch_bounds__(256)
    spectral_rows(const float* __restrict__ w, const float* __restrict__ v,
                  const float* __restrict__ gy, double* __restrict__ dots,
                  double* __restrict__ gdots, int rows, int columns) {
  __shared__ double scratch[kMostWarps];
  long long first = static_cast<long long>(blockIdx.x) * columns;
  double sum = 0, gsum = 0;
#pragma unroll 4
  for (int k = threadIdx.x; k < columns; k += blockDim.x) {
    double a = w[first + k];
    sum += a * v[k];
    if (gy) gsum += a * gy[first + k];
  }
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) dots[blockIdx.x] = sum;
  if (!gy) return;
  gsum = block_sum(gsum, scratch);
  if (threadIdx.x == 0) gdots[blockIdx.x] = gsum;
}

// W^T u; `columns` is K, and a wide row holds width / K rows.
TG_KERNEL __launch_bounds__(256)
    spectral_columns(const float* __restrict__ w, const float* __restrict__ u,
                     double* __restrict__ partial, int segments, int n, int columns, int width,
                     int rows_a_block) {
  __shared__ double scratch[kColumnThreads];
  SegmentTile<1> tile(segments, n, width, rows_a_block);
  int folds = width / columns, fold = tile.column / columns;
  double sum = 0;
#pragma unroll 4
  for (int row = tile.row; row < tile.end; row += kRowsAtOnce)
    sum += static_cast<double>(w[tile.at(row)]) * u[row * folds + fold];
  write_sum(tile, sum, scratch, partial, 0, 1);
}

// unit (extent,) of the sums of partial (blocks, width); sums (extent,) is scratch.
TG_KERNEL __launch_bounds__(1024)
    spectral_unit(const double* __restrict__ partial, double* __restrict__ sums,
                  float* __restrict__ unit, int blocks, int width, int extent, double eps) {
  __shared__ double scratch[kMostWarps];
  double squares = 0;
  for (int c = threadIdx.x; c < extent; c += blockDim.x) {
    double sum = 0;
    for (int block = 0; block < blocks; ++block)
      for (int k = c; k < width; k += extent)
        sum += partial[static_cast<long long>(block) * width + k];
    sums[c] = sum;
    squares += sum * sum;
  }
  double norm = sqrt(block_sum(squares, scratch));
  if (norm < eps) norm = eps;  // a NaN stays
  for (int c = threadIdx.x; c < extent; c += blockDim.x)
    unit[c] = static_cast<float>(sums[c] / norm);
}

__device__ __forceinline__ float times(float a, double b) { return static_cast<float>(a * b); }

TG_KERNEL __launch_bounds__(256)
    spectral_norm(const float* __restrict__ w, const float* __restrict__ u,
                  const double* __restrict__ dots, float* __restrict__ y, int n, int rows) {
  __shared__ double scratch[kMostWarps];
  double sum = 0;
  for (int r = threadIdx.x; r < rows; r += blockDim.x) sum += u[r] * dots[r];
  // times 1 / sigma in float64: within a hair of the quotient rounded once, without its slow path
  double inverse = 1 / block_sum(sum, scratch);
  long long i = global_thread(), stride = global_threads();
  if (n % 4 == 0 && by_four(w) && by_four(y)) {
    const float4* w4 = reinterpret_cast<const float4*>(w);
    float4* y4 = reinterpret_cast<float4*>(y);
    for (; i < n / 4; i += stride) {
      float4 v = w4[i];
      y4[i] = make_float4(times(v.x, inverse), times(v.y, inverse), times(v.z, inverse),
                          times(v.w, inverse));
    }
    return;
  }
  for (; i < n; i += stride) y[i] = times(w[i], inverse);
}

// gsigma = -<gy, W> / sigma^2, gw = gy / sigma + gsigma u v^T, gu = gsigma W v, gv = gsigma W^T u.
TG_KERNEL __launch_bounds__(256)
    spectral_norm_vjp(const float* __restrict__ gy, const float* __restrict__ u,
                      const float* __restrict__ v, const double* __restrict__ dots,
                      const double* __restrict__ gdots, const double* __restrict__ partial,
                      float* __restrict__ gw, float* __restrict__ gu, float* __restrict__ gv, int n,
                      int rows, int columns, int width, int blocks) {
  __shared__ double scratch[kMostWarps];
  double sum = 0, gsum = 0;
  for (int r = threadIdx.x; r < rows; r += blockDim.x) {
    sum += u[r] * dots[r];
    gsum += gdots[r];
  }
  double sigma = block_sum(sum, scratch);
  double gsigma = -block_sum(gsum, scratch) / (sigma * sigma);
  float over = static_cast<float>(sigma), g = static_cast<float>(gsigma);
  long long stride = global_threads();
  for (long long i = global_thread(); i < n; i += stride) {
    int r = static_cast<int>(i) / columns, c = static_cast<int>(i) - r * columns;
    gw[i] = gy[i] / over + g * (u[r] * v[c]);
  }
  for (long long r = global_thread(); r < rows; r += stride)
    gu[r] = static_cast<float>(gsigma * dots[r]);
  for (long long c = global_thread(); c < columns; c += stride) {
    double total = 0;
    for (int block = 0; block < blocks; ++block)
      for (int k = static_cast<int>(c); k < width; k += columns)
        total += partial[static_cast<long long>(block) * width + k];
    gv[c] = static_cast<float>(gsigma * total);
  }
}
