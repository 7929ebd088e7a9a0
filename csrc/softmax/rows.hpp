// The passes over one row that softmax is made of. Include only from per-CPU files.
//
// A row is short enough for the L1 cache, so that its passes cost arithmetic and no traffic. Four
// sums run side by side, since one alone would wait for each of its additions.
#pragma once

#include "../bias_act/vmath.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace TG_ISA {

enum { kRowChains = 4 };

// Call body(i, n, chain) for every vector of a row; n is the number of its lanes that hold data.
template <class T, class Body>
TG_INLINE void for_each_vector(long size, const Body& body) {
  constexpr long lanes = Simd<T>::lanes;
  long i = 0;
  for (; i + kRowChains * lanes <= size; i += kRowChains * lanes)
#pragma GCC unroll 4
    for (int k = 0; k < kRowChains; ++k) body(i + k * lanes, lanes, k);
  for (; i + lanes <= size; i += lanes) body(i, lanes, 0);
  if (i < size) body(i, size - i, 0);
}

// The first n lanes from p; the others hold `rest`. The last vector of a row, which may be its only
// one: where the CPU has masks, they do it.
#if defined(__AVX512F__)
TG_INLINE VF load_or(const float* p, long n, float rest) {
  return (VF)_mm512_mask_loadu_ps((__m512)splat(rest), (__mmask16)((1u << n) - 1), p);
}
TG_INLINE VD load_or(const double* p, long n, double rest) {
  return (VD)_mm512_mask_loadu_pd((__m512d)splat(rest), (__mmask8)((1u << n) - 1), p);
}
TG_INLINE void store_some(float* p, VF v, long n) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}
TG_INLINE void store_some(double* p, VD v, long n) {
  _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
}
#else
template <class T>
TG_INLINE typename Simd<T>::V load_or(const T* p, long n, T rest) {
  if (n == Simd<T>::lanes) return load(p);
  T padded[Simd<T>::lanes];
  for (long i = 0; i < Simd<T>::lanes; ++i) padded[i] = rest;
  for (long i = 0; i < n; ++i) padded[i] = p[i];
  return load(padded);
}
template <class T>
TG_INLINE void store_some(T* p, typename Simd<T>::V v, long n) {
  if (n == Simd<T>::lanes) return store<T>(p, v);
  T padded[Simd<T>::lanes];
  store<T>(padded, v);
  for (long i = 0; i < n; ++i) p[i] = padded[i];
}
#endif

template <class T>
TG_INLINE T sum_chains(const typename Simd<T>::V* v) {
  return sum_lanes<T>((v[0] + v[1]) + (v[2] + v[3]));
}

template <class V>
TG_INLINE V larger(V a, V b) {
  return b > a ? b : a;
}

// The largest entry of a row; NaN never wins: a row of NaN gives -inf.
template <class T>
TG_INLINE T row_max(const T* x, long n) {
  typedef typename Simd<T>::V V;
  const T least = -(T)__builtin_inf();
  V top[kRowChains];
  for (V& v : top) v = splat(least);
  for_each_vector<T>(
      n, [&](long i, long m, int k) { top[k] = larger(top[k], load_or(x + i, m, least)); });
  T lanes[Simd<T>::lanes];
  store<T>(lanes, larger(larger(top[0], top[1]), larger(top[2], top[3])));
  for (int width = Simd<T>::lanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] = larger(lanes[i], lanes[i + width]);
  return lanes[0];
}

// Return the sum of exp(x - top), for a finite top that no x exceeds, and write the terms to y
// unless it is null. NaN in x makes the sum NaN.
template <class T>
TG_INLINE T row_exp(const T* x, long n, T top, T* y) {
  typename Simd<T>::V total[kRowChains] = {};
  for_each_vector<T>(n, [&](long i, long m, int k) {
    const auto e = exp_nonpositive(load_or(x + i, m, -(T)__builtin_inf()) - splat(top));
    total[k] += e;
    if (y) store_some(y + i, e, m);
  });
  return sum_chains<T>(total);
}

template <class T>
TG_INLINE void row_scale(T* y, long n, T factor) {
  for_each_vector<T>(n, [&](long i, long m, int) {
    store_some(y + i, load_or(y + i, m, (T)0) * splat(factor), m);
  });
}

template <class T>
TG_INLINE bool is_finite(T x) {
  return x - x == 0;
}

template <class T>
TG_INLINE bool has_nan(const T* x, long n) {
  for (long i = 0; i < n; ++i)
    if (x[i] != x[i]) return true;
  return false;
}

// y = softmax(x); y may be x. By the definition exp(inf) / exp(inf) is NaN where x is inf, all else
// beside it is 0, and a row of -inf alone is 0 / 0.
template <class T>
TG_INLINE void row_softmax(const T* x, long n, T* y) {
  const T top = row_max(x, n), nan = (T)__builtin_nan("");
  if (is_finite(top)) return row_scale(y, n, (T)1 / row_exp(x, n, top, y));
  const bool all = top < 0 || has_nan(x, n);
  for (long i = 0; i < n; ++i) y[i] = all || x[i] == top ? nan : (T)0;
}

// The sum over a row of y * g.
template <class T>
TG_INLINE T row_dot(const T* y, const T* g, long n) {
  typename Simd<T>::V total[kRowChains] = {};
  for_each_vector<T>(n, [&](long i, long m, int k) {
    total[k] += load_or(y + i, m, (T)0) * load_or(g + i, m, (T)0);
  });
  return sum_chains<T>(total);
}

// gx = y * (g - shift); gx may be g.
template <class T>
TG_INLINE void row_softmax_vjp(const T* y, const T* g, long n, T shift, T* gx) {
  for_each_vector<T>(n, [&](long i, long m, int) {
    store_some(gx + i, load_or(y + i, m, (T)0) * (load_or(g + i, m, (T)0) - splat(shift)), m);
  });
}

}  // namespace TG_ISA
