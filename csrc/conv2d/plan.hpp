// What gather.cpp and wgrad.cpp share: the register tile and the carving of a workspace.
#pragma once

#include "../common/parallel.hpp"
#include "../common/simd.hpp"
#include "conv2d.hpp"

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

// to[i][j] = from[j][i] for i, j < lanes, in registers: halves of the rows are interleaved
// log2(lanes) times. Row i is left out where to[i] is null.
template <class T>
TG_INLINE void transpose(const T* const* from, T* const* to) {
  typedef typename Simd<T>::V V;
  constexpr int lanes = Simd<T>::lanes;
  V rows[lanes], mixed[lanes];
#pragma GCC unroll 16
  for (int i = 0; i < lanes; ++i) rows[i] = load(from[i]);
#pragma GCC unroll 4
  for (int step = 1; step < lanes; step *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < lanes / 2; ++i) {
      mixed[2 * i] = interleave<T>(rows[i], rows[i + lanes / 2], false);
      mixed[2 * i + 1] = interleave<T>(rows[i], rows[i + lanes / 2], true);
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) rows[i] = mixed[i];
  }
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

// Channels so few that the kernel's row (S taps by C channels, contiguous in a padded NHWC image)
// makes a better inner dimension than C alone: an RGB image and a 4 x 4 kernel give 12, not 3.
TG_INLINE bool merges_kernel_row(const ConvArgs& a) {
  return a.pass != CONV_DGRAD && a.groups == 1 && a.dil_w == 1 && a.S > 1 && a.C <= 4;
}

// Copy x (N, H, W, C) with its zero padding into dense memory.
template <class T>
static void pad_image(const ConvArgs& a, T* out) {
  const long height = a.H + 2 * a.pad_h, width = a.W + 2 * a.pad_w;
  parallel_for(a.N * height, 16, [&](long begin, long end) {
    for (long line = begin; line < end; ++line) {
      const long n = line / height, h = line % height - a.pad_h;
      T* to = out + line * width * a.C;
      if (h < 0 || h >= a.H) {
        memset(to, 0, (size_t)(width * a.C) * sizeof(T));
        continue;
      }
      memset(to, 0, (size_t)(a.pad_w * a.C) * sizeof(T));
      to += a.pad_w * a.C;
      const T* from = (const T*)a.x + n * a.x_n + h * a.x_h;
      if (a.x_w == a.C) {
        memcpy(to, from, (size_t)(a.W * a.C) * sizeof(T));
      } else {
        for (long w = 0; w < a.W; ++w)
          for (long c = 0; c < a.C; ++c) to[w * a.C + c] = from[w * a.x_w + c];
      }
      memset(to + a.W * a.C, 0, (size_t)(a.pad_w * a.C) * sizeof(T));
    }
  });
}

TG_INLINE long padded_size(const ConvArgs& a) {
  return a.N * (a.H + 2 * a.pad_h) * (a.W + 2 * a.pad_w) * a.C;
}

// The same call, but on the padded copy of x: no padding any more, and dense strides.
template <class T>
static ConvArgs on_padded(ConvArgs a, T* padded) {
  a.x = padded;
  a.H += 2 * a.pad_h, a.W += 2 * a.pad_w;
  a.pad_h = a.pad_w = 0;
  a.x_w = a.C, a.x_h = a.W * a.C, a.x_n = a.H * a.x_h;
  return a;
}

}  // namespace TG_ISA
