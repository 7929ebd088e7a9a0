// mean and biased variance of each group of channels of each segment, x (S, R, C) -> (S, G).
// References: kernels/batch_norm/reference.py (G = C), kernels/group_norm/reference.py.
//
// segment_moments: tg_segments.cuh says which thread has which values. Each measures its own about
// the first of them, and a block moves the eight threads of a column to their common mean.
// segment_moments_totals: a warp a segment and group. Lane l takes the l-th, l + 32-th, ... partial
// moments, blocks first, then folds, then channels, once for the mean and once for m2.
//
// Traffic: x once; the partial moments are some 1 % of it. Tails: columns beyond the width and rows
// beyond the segment are empty sets, which add nothing.
#include "common/tg_moments.cuh"
#include "common/tg_segments.cuh"

TG_KERNEL __launch_bounds__(256)
    segment_moments(const float* __restrict__ x, double* __restrict__ partial, int segments, int n,
                    int width, int rows_a_block) {
  __shared__ Moments scratch[kColumnThreads];
  SegmentTile<1> tile(segments, n, width, rows_a_block);
  Moments m = {0, 0, 0};
  if (tile.row < tile.end) {
    double centre = x[tile.at(tile.row)], sum = 0, squares = 0;
#pragma unroll 4
    for (int row = tile.row; row < tile.end; row += kRowsAtOnce) {
      double d = x[tile.at(row)] - centre;
      sum += d;
      squares += d * d;
    }
    m = moments_about(centre, tile.count(), sum, squares);
  }
  scratch[threadIdx.x] = m;
  __syncthreads();
  if (threadIdx.x >= kColumns || tile.column >= width) return;
  double total = 0, mean = 0, m2 = 0;
  for (int k = threadIdx.x; k < kColumnThreads; k += kColumns) {
    total += scratch[k].n;
    mean += scratch[k].n * scratch[k].mean;
  }
  mean = total > 0 ? mean / total : 0;  // a short last wide row may lie in a block of its own
  for (int k = threadIdx.x; k < kColumnThreads; k += kColumns)
    m2 += moved(scratch[k].n, scratch[k].mean, scratch[k].m2, mean);
  double* out = partial + partial_at(tile.segment, blockIdx.y, gridDim.y, 0, 3, width, tile.column);
  out[0] = total;
  out[width] = mean;
  out[2 * width] = m2;
}

// Offset of the i-th partial moments of a group, whose channels and their folds are `columns`.
__device__ __forceinline__ long long place(int i, int columns, int each, int width, int channels) {
  int k = i % columns;
  return 3LL * (i / columns) * width + k / each * channels + k % each;
}

TG_KERNEL __launch_bounds__(256)
    segment_moments_totals(const double* __restrict__ partial, double* __restrict__ mean,
                           double* __restrict__ var, int segments, int blocks, int width,
                           int channels, int groups) {
  int set = static_cast<int>(global_thread() / kWarp), lane = threadIdx.x % kWarp;
  if (set >= segments * groups) return;
  int each = channels / groups, first = set % groups * each, columns = width / channels * each;
  partial += partial_at(set / groups, 0, blocks, 0, 3, width, first);
  double n = 0, sum = 0, m2 = 0;
  for (int i = lane; i < blocks * columns; i += kWarp) {
    const double* of = partial + place(i, columns, each, width, channels);
    n += of[0];
    sum += of[0] * of[width];
  }
  n = warp_sum(n);
  double common = warp_sum(sum) / n;
  for (int i = lane; i < blocks * columns; i += kWarp) {
    const double* of = partial + place(i, columns, each, width, channels);
    m2 += moved(of[0], of[width], of[2 * width], common);
  }
  m2 = warp_sum(m2);
  if (lane != 0) return;
  mean[set] = common;
  var[set] = m2 / n;
}
