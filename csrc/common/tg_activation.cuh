// The activations and their derivatives, as tinygan/kernels/bias_act/README.md lists them.
// Exponentials only see arguments <= 0, so nothing overflows.
#pragma once

#include "common/tg_device.cuh"

// the order of ACTS in tinygan/kernels/bias_act/spec.py
enum TgAct { LINEAR, RELU, LEAKY_RELU, PRELU, ELU, TANH, SIGMOID, SOFTPLUS, SWISH };

__device__ __forceinline__ float sigmoid(float t) {
  float e = expf(-fabsf(t));
  return (t >= 0 ? 1.0f : e) / (1.0f + e);
}

__device__ __forceinline__ float activation(int act, float t, float a) {
  switch (act) {
    case RELU:
      return t <= 0 ? 0.0f : t;  // not fmaxf: it would hide a NaN
    case LEAKY_RELU:
    case PRELU:
      return t > 0 ? t : t * a;
    case ELU:
      return t > 0 ? t : expm1f(t) * a;
    case TANH:
      return tanhf(t);
    case SIGMOID:
      return sigmoid(t);
    case SOFTPLUS:
      return (t <= 0 ? 0.0f : t) + log1pf(expf(-fabsf(t)));
    case SWISH:
      return t * sigmoid(t);
    default:
      return t;
  }
}

__device__ __forceinline__ float activation_slope(int act, float t, float a) {
  float e, d, s;
  switch (act) {
    case RELU:
      return t <= 0 ? 0.0f : 1.0f;
    case LEAKY_RELU:
    case PRELU:
      return t > 0 ? 1.0f : a;
    case ELU:
      return t > 0 ? 1.0f : expf(t) * a;
    case TANH:  // 1 - tanh^2 = 1 / cosh^2 = 4 e / (1 + e)^2, with all its digits
      e = expf(-2.0f * fabsf(t));
      d = 1.0f + e;
      return 4.0f * e / (d * d);
    case SIGMOID:
      e = expf(-fabsf(t));
      d = 1.0f + e;
      return e / (d * d);
    case SOFTPLUS:
      return sigmoid(t);
    case SWISH:
      s = sigmoid(t);
      return s * (1.0f + t * sigmoid(-t));
    default:
      return 1.0f;
  }
}
