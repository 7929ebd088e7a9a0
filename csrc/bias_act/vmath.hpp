// exp, expm1, log1p and tanh on vectors of floats, on the parts of their domains that activations
// need; on doubles the C library, lane by lane (doubles serve gradient checks, not training).
//
// The polynomials are those of the Cephes library (S. Moshier, single precision: expf.c, logf.c,
// tanhf.c). Error against exact values, measured over the whole domain: below 2 ulp.
#pragma once

#include <math.h>

#include "../common/simd.hpp"

namespace TG_ISA {

TG_INLINE VF vabs(VF x) { return x < 0 ? -x : x; }
TG_INLINE VD vabs(VD x) { return x < 0 ? -x : x; }

TG_INLINE VF vector_of(VF, double value) { return splat((float)value); }
TG_INLINE VD vector_of(VD, double value) { return splat(value); }

// 2^n for integers n in [-126, 127], as floats.
TG_INLINE VF power_of_two(VIF n) {
  VIF bits = (n + 127) << 23;
  VF power;
  memcpy(&power, &bits, sizeof power);
  return power;
}

// x = n ln 2 + r with |r| <= ln 2 / 2; returns expm1(r) = r + r^2 P(r).
TG_INLINE VF reduced_expm1(VF x, VIF* n) {
  const float round = 12582912.0f;  // 1.5 * 2^23: adding it leaves an integer in the low bits
  VF whole = (x * 1.44269504088896341f + round) - round;
  *n = __builtin_convertvector(whole, VIF);
  VF r = x - whole * 0.693359375f;  // the high bits of ln 2: the product is exact
  r = r - whole * -2.12194440e-4f;
  VF p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * (r * r) + r;
}

// exp(x) for x <= 0.
TG_INLINE VF exp_nonpositive(VF x) {
  x = x < -104.0f ? splat(-104.0f) : x;  // exp(-104) rounds to 0; NaN stays
  VIF n;
  VF e = reduced_expm1(x == x ? x : splat(0.0f), &n) + 1.0f;
  VIF half = n >> 1;  // in two steps, since 2^n may be subnormal
  e = e * power_of_two(half) * power_of_two(n - half);
  return x == x ? e : x;
}
TG_INLINE VD exp_nonpositive(VD x) {
  for (int i = 0; i < kLanesD; ++i) x[i] = exp(x[i]);
  return x;
}

// exp(x) - 1 for x <= 0.
TG_INLINE VF expm1_nonpositive(VF x) {
  VF t = x < -30.0f ? splat(-30.0f) : x;  // -1 to the last bit from -17.4 on
  VIF n;
  VF e = reduced_expm1(t == t ? t : splat(0.0f), &n), scale = power_of_two(n);
  VF value = e * scale + (scale - 1.0f);
  return x == x ? value : x;
}
TG_INLINE VD expm1_nonpositive(VD x) {
  for (int i = 0; i < kLanesD; ++i) x[i] = expm1(x[i]);
  return x;
}

// log(1 + e) for 0 <= e <= 1.
TG_INLINE VF log1p_unit(VF e) {
  VIF large = e > 0.41421356f;
  VF x =
      large ? (e - 1.0f) * 0.5f : e;  // 1 + e = 2 (1 + x), or 1 + x: sqrt(1/2) <= 1 + x <= sqrt 2
  VF z = x * x;
  VF p = splat(7.0376836292e-2f);
  p = p * x + -1.1514610310e-1f;
  p = p * x + 1.1676998740e-1f;
  p = p * x + -1.2420140846e-1f;
  p = p * x + 1.4249322787e-1f;
  p = p * x + -1.6668057665e-1f;
  p = p * x + 2.0000714765e-1f;
  p = p * x + -2.4999993993e-1f;
  p = p * x + 3.3333331174e-1f;
  VF tail = x * z * p - 0.5f * z;
  return large ? 0.693147180559945f + (x + tail) : x + tail;
}
TG_INLINE VD log1p_unit(VD e) {
  for (int i = 0; i < kLanesD; ++i) e[i] = log1p(e[i]);
  return e;
}

TG_INLINE VF vtanh(VF x) {
  VF t = vabs(x), z = x * x;
  VF p = splat(-5.70498872745e-3f);
  p = p * z + 2.06390887954e-2f;
  p = p * z + -5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z + -3.33332819422e-1f;
  VF e = exp_nonpositive(-2.0f * t);
  VF far = 1.0f - 2.0f * e / (1.0f + e);
  return t < 0.625f ? x + x * (z * p) : x < 0 ? -far : far;
}
TG_INLINE VD vtanh(VD x) {
  for (int i = 0; i < kLanesD; ++i) x[i] = tanh(x[i]);
  return x;
}

// 1 / (1 + exp(-x)), without overflow on either side.
template <class V>
TG_INLINE V vsigmoid(V x) {
  V e = exp_nonpositive(-vabs(x)), one = vector_of(x, 1);
  return (x < 0 ? e : one) / (one + e);
}

// log(1 + exp(x)), without overflow and with all digits of the small values on the left.
template <class V>
TG_INLINE V vsoftplus(V x) {
  V zero = vector_of(x, 0);
  return (x <= 0 ? zero : x) + log1p_unit(exp_nonpositive(-vabs(x)));
}

}  // namespace TG_ISA
