// A vector of floats or doubles as wide as the instruction set of this compilation allows.
//
// GCC's vector extensions give the arithmetic (+ - * /, comparisons, ?:), and the compiler
// contracts a * b + c into a fused multiply-add where the CPU has one. Include only from per-CPU
// files.
#pragma once

#ifndef TG_ISA
#error "simd.hpp belongs to files that are compiled once per instruction set"
#endif

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define TG_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define TG_VECTOR_BYTES 32
#else
#define TG_VECTOR_BYTES 16
#endif

namespace TG_ISA {

typedef float VF __attribute__((vector_size(TG_VECTOR_BYTES)));
typedef double VD __attribute__((vector_size(TG_VECTOR_BYTES)));
typedef int32_t VIF __attribute__((vector_size(TG_VECTOR_BYTES)));  // what comparing VFs gives
typedef int64_t VID __attribute__((vector_size(TG_VECTOR_BYTES)));

// Simd<T>: V is the vector of T, `lanes` how many T it holds.
template <class T>
struct Simd;
template <>
struct Simd<float> {
  typedef VF V;
  typedef VIF Mask;
  static constexpr int lanes = TG_VECTOR_BYTES / 4;
};
template <>
struct Simd<double> {
  typedef VD V;
  typedef VID Mask;
  static constexpr int lanes = TG_VECTOR_BYTES / 8;
};

constexpr int kLanesF = Simd<float>::lanes, kLanesD = Simd<double>::lanes;

#define TG_INLINE static inline __attribute__((always_inline))

template <class T>
TG_INLINE typename Simd<T>::V splat(T value) {
  return value - typename Simd<T>::V{};  // value - 0 broadcasts and is exact, also for -0
}

// Load or store at any address that is aligned for T.
template <class T>
TG_INLINE typename Simd<T>::V load(const T* p) {
  typename Simd<T>::V v;
  memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
TG_INLINE void store(T* p, typename Simd<T>::V v) {
  memcpy(p, &v, sizeof v);
}

// The first n lanes only (0 <= n <= lanes); the others load as zero and are not stored.
template <class T>
TG_INLINE typename Simd<T>::V load_first(const T* p, long n) {
  typename Simd<T>::V v = {};
  memcpy(&v, p, (size_t)n * sizeof(T));
  return v;
}
template <class T>
TG_INLINE void store_first(T* p, typename Simd<T>::V v, long n) {
  memcpy(p, &v, (size_t)n * sizeof(T));
}

// Convert lanes [half * kLanesD, (half + 1) * kLanesD) of a float vector to doubles; half is 0
// or 1.
TG_INLINE VD widen(VF v, int half) {
  VD wide;
  float lanes[kLanesF];
  memcpy(lanes, &v, sizeof v);
  for (int i = 0; i < kLanesD; ++i) wide[i] = (double)lanes[half * kLanesD + i];
  return wide;
}

// Sum of the lanes, in the order of a balanced tree: halves of the vector are added until one lane
// is left. The order depends on the vector's width only.
template <class T, int N>
TG_INLINE T sum_first(const T* lanes) {
  if constexpr (N == 1) {
    return lanes[0];
  } else {
    T half[N / 2];
    for (int i = 0; i < N / 2; ++i) half[i] = lanes[i] + lanes[i + N / 2];
    return sum_first<T, N / 2>(half);
  }
}
template <class T>
TG_INLINE T sum_lanes(typename Simd<T>::V v) {
  T lanes[Simd<T>::lanes];
  memcpy(lanes, &v, sizeof v);
  return sum_first<T, Simd<T>::lanes>(lanes);
}

}  // namespace TG_ISA
