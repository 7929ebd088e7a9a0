// t = weight * x_hat + bias, y = t > 0 ? t : negative_slope * t, and its vjp, by statistics (S, G)
// in float64. Reference: kernels/batch_norm/reference.py, where G = C: a channel is a group. With
// samples as segments these are also the passes of group_norm (kernels/group_norm/cuda.py).
//
//     g = gy * act'(t) * weight      gx = (g - mean(g) - x_hat * mean(g * x_hat)) / std
//
// tg_segments.cuh says which thread has which values of x (S, R, C), and how tails end; moments.cu
// takes the statistics. A thread works out scale and shift of its channels once, then goes down its
// rows.
//
// batch_norm: reads x, writes y: 8 bytes an element, as float4 where C is a multiple of four.
// batch_norm_vjp_sums: reads x and gy, leaves partial sums of act'(t) gy and of that times x_hat.
// batch_norm_vjp_totals: a warp a channel; adds them up to gweight, gbias and the two means.
// batch_norm_vjp: reads x and gy again, writes gx: 20 bytes an element with the sums.
#include "common/tg_moments.cuh"
#include "common/tg_segments.cuh"

// What a thread knows of one column.
struct Channel {
  Normal normal;
  float weight, bias, scale, slope;

  // The index of the channel's own statistics is `set`.
  __device__ void read(const float* weights, const float* biases, const double* mean,
                       const double* var, int channel, long long set, double eps, float s) {
    normal = normal_of(mean[set], var[set], eps);
    weight = weights[channel];
    bias = biases[channel];
    scale = weight * normal.inv_std;
    slope = s;
  }
  __device__ float affine(float x) const { return ((x - normal.hi) - normal.lo) * scale + bias; }
  __device__ float activated(float t) const {
    if (slope == 0) return t <= 0 ? 0.0f : t;  // -inf * 0 would be NaN, and a NaN stays
    return t > 0 ? t : t * slope;
  }
  __device__ float cut(float x, float gy) const { return affine(x) > 0 ? gy : gy * slope; }
};

template <int V>
__device__ __forceinline__ void normalise(const float* x, const float* weight, const float* bias,
                                          const double* mean, const double* var, float* y,
                                          int segments, int n, int channels, int groups, int width,
                                          int rows_a_block, double eps, float slope) {
  SegmentTile<V> tile(segments, n, width, rows_a_block);
  if (tile.row >= tile.end) return;
  Channel of[V];
#pragma unroll
  for (int k = 0; k < V; ++k) {
    int c = (tile.column + k) % channels, group = c / (channels / groups);
    long long set = static_cast<long long>(tile.segment) * groups + group;
    of[k].read(weight, bias, mean, var, c, set, eps, slope);
  }
#pragma unroll 2
  for (int row = tile.row; row < tile.end; row += tile.kStep) {
    Floats<V> v = load<V>(x + tile.at(row));
#pragma unroll
    for (int k = 0; k < V; ++k) v.of[k] = of[k].activated(of[k].affine(v.of[k]));
    store<V>(y + tile.at(row), v);
  }
}

TG_KERNEL __launch_bounds__(256)
    batch_norm(const float* __restrict__ x, const float* __restrict__ weight,
               const float* __restrict__ bias, const double* __restrict__ mean,
               const double* __restrict__ var, float* __restrict__ y, int segments, int n,
               int channels, int groups, int width, int rows_a_block, double eps,
               float negative_slope) {
  if (channels % 4 == 0 && by_four(x) && by_four(y))
    normalise<4>(x, weight, bias, mean, var, y, segments, n, channels, groups, width, rows_a_block,
                 eps, negative_slope);
  else
    normalise<1>(x, weight, bias, mean, var, y, segments, n, channels, groups, width, rows_a_block,
                 eps, negative_slope);
}

TG_KERNEL __launch_bounds__(256)
    batch_norm_vjp_sums(const float* __restrict__ x, const float* __restrict__ weight,
                        const float* __restrict__ bias, const float* __restrict__ gy,
                        const double* __restrict__ mean, const double* __restrict__ var,
                        double* __restrict__ partial, int segments, int n, int channels, int groups,
                        int width, int rows_a_block, double eps, float negative_slope) {
  __shared__ double scratch[kColumnThreads];
  SegmentTile<1> tile(segments, n, width, rows_a_block);
  double g_sum = 0, gx_hat_sum = 0;
  if (tile.row < tile.end) {
    int c = tile.column % channels, group = c / (channels / groups);
    Channel of;
    of.read(weight, bias, mean, var, c, static_cast<long long>(tile.segment) * groups + group, eps,
            negative_slope);
#pragma unroll 4
    for (int row = tile.row; row < tile.end; row += kRowsAtOnce) {
      float v = x[tile.at(row)];
      double g = of.cut(v, gy[tile.at(row)]);
      g_sum += g;
      gx_hat_sum += g * of.normal.x_hat(v);
    }
  }
  write_sum(tile, g_sum, scratch, partial, 0, 2);
  write_sum(tile, gx_hat_sum, scratch, partial, 1, 2);
}

// means (S, 2, C): of g and of g * x_hat. n = R C, so a mean is of n / channels values.
TG_KERNEL __launch_bounds__(256)
    batch_norm_vjp_totals(const double* __restrict__ partial, const float* __restrict__ weight,
                          float* __restrict__ means, float* __restrict__ gweight,
                          float* __restrict__ gbias, int segments, int n, int channels, int width,
                          int blocks) {
  int c = static_cast<int>(global_thread() / kWarp);
  if (c >= channels) return;
  double all_g = 0, all_gx_hat = 0, each = static_cast<double>(weight[c]) / (n / channels);
  for (int s = 0; s < segments; ++s) {
    double g_sum = channel_sum(partial, s, blocks, 0, width, channels, c);
    double gx_hat_sum = channel_sum(partial, s, blocks, 1, width, channels, c);
    all_g += g_sum;
    all_gx_hat += gx_hat_sum;
    if (threadIdx.x % kWarp != 0) continue;
    means[2LL * s * channels + c] = static_cast<float>(g_sum * each);
    means[(2LL * s + 1) * channels + c] = static_cast<float>(gx_hat_sum * each);
  }
  if (threadIdx.x % kWarp != 0) return;
  gweight[c] = static_cast<float>(all_gx_hat);
  gbias[c] = static_cast<float>(all_g);
}

template <int V>
__device__ __forceinline__ void pull(const float* x, const float* weight, const float* bias,
                                     const float* gy, const double* mean, const double* var,
                                     const float* means, float* gx, int segments, int n,
                                     int channels, int groups, int width, int rows_a_block,
                                     double eps, float slope) {
  SegmentTile<V> tile(segments, n, width, rows_a_block);
  if (tile.row >= tile.end) return;
  Channel of[V];
  float g_mean[V], gx_hat_mean[V];
#pragma unroll
  for (int k = 0; k < V; ++k) {
    int c = (tile.column + k) % channels, group = c / (channels / groups);
    long long first = static_cast<long long>(tile.segment) * groups;
    of[k].read(weight, bias, mean, var, c, first + group, eps, slope);
    g_mean[k] = means[2 * first + group];
    gx_hat_mean[k] = means[2 * first + groups + group];
  }
  for (int row = tile.row; row < tile.end; row += tile.kStep) {
    Floats<V> v = load<V>(x + tile.at(row)), g = load<V>(gy + tile.at(row));
#pragma unroll
    for (int k = 0; k < V; ++k) {
      float left = of[k].cut(v.of[k], g.of[k]) * of[k].weight - g_mean[k];
      left -= of[k].normal.x_hat(v.of[k]) * gx_hat_mean[k];
      v.of[k] = left * of[k].normal.inv_std;
    }
    store<V>(gx + tile.at(row), v);
  }
}

// means (S, 2, G)
TG_KERNEL __launch_bounds__(256)
    batch_norm_vjp(const float* __restrict__ x, const float* __restrict__ weight,
                   const float* __restrict__ bias, const float* __restrict__ gy,
                   const double* __restrict__ mean, const double* __restrict__ var,
                   const float* __restrict__ means, float* __restrict__ gx, int segments, int n,
                   int channels, int groups, int width, int rows_a_block, double eps,
                   float negative_slope) {
  if (channels % 4 == 0 && by_four(x) && by_four(gy) && by_four(gx))
    pull<4>(x, weight, bias, gy, mean, var, means, gx, segments, n, channels, groups, width,
            rows_a_block, eps, negative_slope);
  else
    pull<1>(x, weight, bias, gy, mean, var, means, gx, segments, n, channels, groups, width,
            rows_a_block, eps, negative_slope);
}
