// Moments of sets of values, and a value normalised by them.
//
// E[x^2] - E[x]^2 cancels where the mean is large. So every set is measured about its own mean, and
// all are moved to the common one: m2 = sum m2_k + n_k (mean_k - mean)^2 (Chan, Golub and LeVeque
// 1979). The sums are plain ones of float64, in a fixed order; an empty set adds nothing.
#pragma once

#include "common/tg_device.cuh"

// m2: the sum of squared distances from the mean. A set may be empty.
struct Moments {
  double n, mean, m2;
};

// Moments from sums of (x - centre) and of its square over n values; a centre among them is near.
__device__ __forceinline__ Moments moments_about(double centre, int n, double sum, double squares) {
  double m2 = squares - sum * sum / n;
  return {static_cast<double>(n), centre + sum / n, m2 < 0 ? 0 : m2};  // a NaN stays
}

// What a set adds to m2 when it is moved to the common mean.
__device__ __forceinline__ double moved(double n, double mean, double m2, double common) {
  double shift = mean - common;
  return m2 + n * shift * shift;
}

// A value normalised by float64 statistics in float32: the mean is two floats, hi + lo, so that
// x - mean keeps its digits where the mean is far larger than the deviation.
struct Normal {
  float hi, lo, inv_std;

  __device__ float x_hat(float x) const { return ((x - hi) - lo) * inv_std; }
};

__device__ __forceinline__ Normal normal_of(double mean, double var, double eps) {
  float hi = static_cast<float>(mean);
  float lo = mean == hi ? 0.0f : static_cast<float>(mean - hi);  // inf - inf would be NaN
  return {hi, lo, static_cast<float>(rsqrt(var + eps))};
}
