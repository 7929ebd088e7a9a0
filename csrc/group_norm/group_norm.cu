// The sums of group_norm's vjp. Reference: kernels/group_norm/reference.py.
//
// Group norm on x (N, R, C) is batch_norm with every sample as a segment, where the channels of a
// group share their statistics; so moments.cu and batch_norm.cu make the passes over x. What is
// left is to turn their partial sums into
//
//     gweight = sum over n of B      gbias = sum over n of A      A = sum over rows of gy
//     means of a group: sum over its channels of weight A, and of weight B, over its R C/G values
//                                                                 B = sum over rows of gy x_hat
//
// group_norm_vjp_sums: a warp a sample and channel, partial (N, blocks, 2, W) -> sums (N, 2, C).
// group_norm_vjp_means: a warp a sample and group, sums -> means (N, 2, G).
// group_norm_vjp_weights: a thread a channel, over the samples in their order.
// Traffic: 16 bytes a sample and channel, as small beside x as its images are large. Tails: warps
// and threads beyond the last item leave.
#include "common/tg_segments.cuh"

TG_KERNEL __launch_bounds__(256)
    group_norm_vjp_sums(const double* __restrict__ partial, double* __restrict__ sums, int segments,
                        int channels, int width, int blocks) {
  int item = static_cast<int>(global_thread() / kWarp);
  if (item >= segments * channels) return;
  int s = item / channels, c = item % channels;
  for (int k = 0; k < 2; ++k) {
    double sum = channel_sum(partial, s, blocks, k, width, channels, c);
    if (threadIdx.x % kWarp == 0) sums[(2LL * s + k) * channels + c] = sum;
  }
}

// n = R C
TG_KERNEL __launch_bounds__(256)
    group_norm_vjp_means(const double* __restrict__ sums, const float* __restrict__ weight,
                         float* __restrict__ means, int segments, int n, int channels, int groups) {
  int item = static_cast<int>(global_thread() / kWarp), lane = threadIdx.x % kWarp;
  if (item >= segments * groups) return;
  int s = item / groups, group = item % groups, each = channels / groups;
  for (int k = 0; k < 2; ++k) {
    double sum = 0;
    for (int c = group * each + lane; c < (group + 1) * each; c += kWarp)
      sum += weight[c] * sums[(2LL * s + k) * channels + c];
    sum = warp_sum(sum);
    if (lane == 0) means[(2LL * s + k) * groups + group] = static_cast<float>(sum / (n / groups));
  }
}

TG_KERNEL __launch_bounds__(256)
    group_norm_vjp_weights(const double* __restrict__ sums, float* __restrict__ gweight,
                           float* __restrict__ gbias, int segments, int channels) {
  long long c = global_thread();
  if (c >= channels) return;
  double g_sum = 0, gx_hat_sum = 0;
#pragma unroll 4
  for (int s = 0; s < segments; ++s) {
    g_sum += sums[2LL * s * channels + c];
    gx_hat_sum += sums[(2LL * s + 1) * channels + c];
  }
  gweight[c] = static_cast<float>(gx_hat_sum);
  gbias[c] = static_cast<float>(g_sum);
}
