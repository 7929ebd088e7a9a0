// The inverse of the normal distribution function by + - * / sqrt alone, in double, for the C++ and
// the CUDA kernel: operation by operation what kernels/philox/normal.py does, so that all have the
// same bits. Whoever includes this must not contract a product and a sum into one rounding.
#pragma once

namespace {

// Wichura's AS 241, PPND16, lowest degree first: central branch, tail, far tail.
constexpr double kA[] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                         1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                         3.3430575583588128105e4, 2.5090809287301226727e3};
constexpr double kB[] = {1.0,
                         4.2313330701600911252e1,
                         6.8718700749205790830e2,
                         5.3941960214247511077e3,
                         2.1213794301586595867e4,
                         3.9307895800092710610e4,
                         2.8729085735721942674e4,
                         5.2264952788528545610e3};
constexpr double kC[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                         5.76949722146069140550e0,  3.64784832476320460504e0,
                         1.27045825245236838258e0,  2.41780725177450611770e-1,
                         2.27238449892691845833e-2, 7.74545014278341407640e-4};
constexpr double kD[] = {1.0,
                         2.05319162663775882187e0,
                         1.67638483018380384940e0,
                         6.89767334985100004550e-1,
                         1.48103976427480074590e-1,
                         1.51986665636164571966e-2,
                         5.47593808499534494600e-4,
                         1.05075007164441684324e-9};
constexpr double kE[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                         1.78482653991729133580e0,  2.96560571828504891230e-1,
                         2.65321895265761230930e-2, 1.24266094738807843860e-3,
                         2.71155556874348757815e-5, 2.01033439929228813265e-7};
constexpr double kF[] = {1.0,
                         5.99832206555887937690e-1,
                         1.36929880922735805310e-1,
                         1.48753612908506148525e-2,
                         7.86869131145613259100e-4,
                         1.84631831751005468180e-5,
                         1.42151175831644588870e-7,
                         2.04426310338993978564e-15};
// 2 artanh(s) / 2 s in s^2
constexpr double kArtanh[] = {1.0,        1.0 / 3.0,  1.0 / 5.0,  1.0 / 7.0,  1.0 / 9.0, 1.0 / 11.0,
                              1.0 / 13.0, 1.0 / 15.0, 1.0 / 17.0, 1.0 / 19.0, 1.0 / 21.0};

// Horner's rule, in the order of the reference.
template <int N>
inline double polynomial(const double (&c)[N], double x) {
  double y = x * c[N - 1];
#if defined(__CUDACC__)
#pragma unroll
#else
#pragma GCC unroll 16
#endif
  for (int i = N - 2; i > 0; --i) y = (y + c[i]) * x;
  return y + c[0];
}

// x = m 2^e with m in [sqrt(1/2), sqrt(2)); log m = 2 artanh((m - 1) / (m + 1)). x is normal, > 0.
inline double log_of(double x) {
  union {
    double value;
    unsigned long long bits;
  } u = {x};
  double exponent = (double)((long long)(u.bits >> 52) - 1022);
  u.bits = (u.bits & 0x000FFFFFFFFFFFFFull) | 0x3FE0000000000000ull;
  double m = u.value;
  if (m < 0.7071067811865476) m = 2.0 * m, exponent -= 1.0;
  const double s = (m - 1.0) / (m + 1.0);
  return exponent * 0.6931471805599453 + 2.0 * s * polynomial(kArtanh, s * s);
}

// Minus the quantile of small p.
inline double tail(double p) {
  const double r = sqrt(-log_of(p));
  if (r <= 5.0) return polynomial(kC, r - 1.6) / polynomial(kD, r - 1.6);
  return polynomial(kE, r - 5.0) / polynomial(kF, r - 5.0);
}

// The quantile of q + 1/2 where |q| <= 0.425, and elsewhere.
inline double central_quantile(double q) {
  const double r = 0.180625 - q * q;
  return q * polynomial(kA, r) / polynomial(kB, r);
}
inline double outer_quantile(double p) {
  const double size = tail(p < 1.0 - p ? p : 1.0 - p);
  return p - 0.5 < 0.0 ? -size : size;
}

}  // namespace
