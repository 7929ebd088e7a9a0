// What the products share: the register tile, transposed blocks, and the carving of a workspace.
// Include only from per-CPU files.
#pragma once

#include <stddef.h>

#include "simd.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace TG_ISA {

// A tile of outputs that lives in registers: kRows rows by kVectors vectors of columns. One step
// along the sum costs kVectors loads and kRows broadcasts for kRows * kVectors multiply-adds.
#if defined(__AVX512F__)
constexpr int kRows = 14;  // 28 accumulators + 2 columns + 1 broadcast of 32 registers
#elif defined(__aarch64__)
constexpr int kRows = 12;
#else
constexpr int kRows = 6;  // 12 accumulators + 2 columns + 1 broadcast of 16 registers
#endif
constexpr int kVectors = 2;

template <class T>
constexpr long tile_columns() {
  return kVectors * Simd<T>::lanes;
}

TG_INLINE long ceil_div(long a, long b) { return (a + b - 1) / b; }
TG_INLINE long min_of(long a, long b) { return a < b ? a : b; }
TG_INLINE long max_of(long a, long b) { return a > b ? a : b; }

// The lower or upper halves of a and b, interleaved: a0 b0 a1 b1 ...
template <class T>
TG_INLINE typename Simd<T>::V interleave(typename Simd<T>::V a, typename Simd<T>::V b, bool upper) {
  constexpr int lanes = Simd<T>::lanes;
  typename Simd<T>::Mask from;
  for (int i = 0; i < lanes; ++i) from[i] = i / 2 + i % 2 * lanes + upper * lanes / 2;
  return __builtin_shuffle(a, b, from);
}

// Lane i of the result is the sum of v[i]'s lanes, each added in sum_lanes' order: one step adds
// the halves of two vectors at once and interleaves the results. Overwrites v.
template <class T>
TG_INLINE typename Simd<T>::V sum_each(typename Simd<T>::V* v) {
#pragma GCC unroll 4
  for (int half = Simd<T>::lanes / 2; half > 0; half /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < half; ++i)
      v[i] = interleave<T>(v[i], v[i + half], false) + interleave<T>(v[i], v[i + half], true);
  return v[0];
}

// Numbers in 16 bytes: shuffles that leave each where it is in its 16 bytes, or move whole ones,
// take half the time of those that move single numbers across a vector.
template <class T>
constexpr int kGroup = 16 / (int)sizeof(T);

// As interleave, within each group.
template <class T>
TG_INLINE typename Simd<T>::V interleave_groups(typename Simd<T>::V a, typename Simd<T>::V b,
                                                bool upper) {
  constexpr int lanes = Simd<T>::lanes, group = kGroup<T>;
  typename Simd<T>::Mask from;
  for (int i = 0; i < lanes; ++i) {
    const int j = i % group;
    from[i] = i - j + j / 2 + j % 2 * lanes + upper * group / 2;
  }
  return __builtin_shuffle(a, b, from);
}

// The even groups of a, then those of b; or the odd ones.
template <class T>
TG_INLINE typename Simd<T>::V every_second_group(typename Simd<T>::V a, typename Simd<T>::V b,
                                                 bool odd) {
  constexpr int group = kGroup<T>;
  typename Simd<T>::Mask from;
  for (int i = 0; i < Simd<T>::lanes; ++i) from[i] = (2 * (i / group) + odd) * group + i % group;
  return __builtin_shuffle(a, b, from);
}

// Transpose lanes x lanes numbers in registers: first each square of group x group numbers, then
// the matrix of squares.
template <class T>
TG_INLINE void transpose_rows(typename Simd<T>::V* rows) {
  constexpr int lanes = Simd<T>::lanes, group = kGroup<T>, groups = lanes / group;
  typename Simd<T>::V mixed[lanes];
#pragma GCC unroll 2
  for (int step = 1; step < group; step *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < lanes / 2; ++i) {
      const int at = i / (group / 2) * group + i % (group / 2);
      mixed[2 * i] = interleave_groups<T>(rows[at], rows[at + group / 2], false);
      mixed[2 * i + 1] = interleave_groups<T>(rows[at], rows[at + group / 2], true);
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) rows[i] = mixed[i];
  }
#pragma GCC unroll 2
  for (int step = 1; step < groups; step *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < lanes / 2; ++i) {
      const int at = i / group * 2 * group + i % group;
      mixed[i] = every_second_group<T>(rows[at], rows[at + group], false);
      mixed[i + lanes / 2] = every_second_group<T>(rows[at], rows[at + group], true);
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) rows[i] = mixed[i];
  }
}

// to[i][j] = from[j][i] for i, j < lanes. Row i is left out where to[i] is null.
template <class T>
TG_INLINE void transpose(const T* const* from, T* const* to) {
  constexpr int lanes = Simd<T>::lanes;
  typename Simd<T>::V rows[lanes];
#pragma GCC unroll 16
  for (int i = 0; i < lanes; ++i) rows[i] = load(from[i]);
  transpose_rows<T>(rows);
#pragma GCC unroll 16
  for (int i = 0; i < lanes; ++i)
    if (to[i]) store<T>(to[i], rows[i]);
}

// The same of rows that lie `from_step` apart.
template <class T>
TG_INLINE void transpose(const T* from, long from_step, T* const* to) {
  const T* rows[Simd<T>::lanes];
  for (int i = 0; i < Simd<T>::lanes; ++i) rows[i] = from + i * from_step;
  transpose<T>(rows, to);
}

// The same to rows that lie `to_step` apart, the first `count` of them. No arrays of pointers: they
// would take half the time.
template <class T>
TG_INLINE void transpose(const T* from, long from_step, T* to, long to_step, long count) {
  constexpr int lanes = Simd<T>::lanes;
  typename Simd<T>::V rows[lanes];
#pragma GCC unroll 16
  for (int i = 0; i < lanes; ++i) rows[i] = load(from + i * from_step);
  transpose_rows<T>(rows);
  if (count >= lanes) {
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) store<T>(to + i * to_step, rows[i]);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i)
      if (i < count) store<T>(to + i * to_step, rows[i]);
  }
}

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kGap = 64;  // between parts of a workspace: nobody may touch it
#else
constexpr size_t kGap = 0;
#endif

// Hands out parts of a workspace; with a null base it only measures.
struct Carver {
  char* base;
  size_t used;

  template <class U>
  U* take(long count) {
    const size_t first = used, bytes = (size_t)count * sizeof(U);
    used += (bytes + 63) / 64 * 64 + kGap;
    if (!base) return nullptr;
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(base + first, bytes);
    ASAN_POISON_MEMORY_REGION(base + first + bytes, used - first - bytes);
#endif
    return (U*)(base + first);
  }
};

}  // namespace TG_ISA
