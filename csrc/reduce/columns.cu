// The second half of every sum over rows (tg_columns.cuh): partial (blocks, W) -> total (C,).
//
// A warp a channel. Lane l adds the partial sums l, l + 32, ... of its channel in their order, then
// the lanes add up by halving distances: a fixed order. Traffic: the partial sums once, some 1 % of
// what the first half reads.
#include "common/tg_device.cuh"

TG_KERNEL __launch_bounds__(256)
    column_totals(const float* __restrict__ partial, float* __restrict__ total, int blocks,
                  int width, int channels) {
  int channel = static_cast<int>(global_thread() / kWarp), lane = threadIdx.x % kWarp;
  if (channel >= channels) return;
  int folds = width / channels;
  float sum = 0;
  for (int k = lane; k < blocks * folds; k += kWarp)
    sum += partial[static_cast<long long>(k / folds) * width + k % folds * channels + channel];
  sum = warp_sum(sum);
  if (lane == 0) total[channel] = sum;
}
