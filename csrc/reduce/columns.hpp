// Column-wise passes over a matrix (rows, channels) in C order: what batch_norm, the gradient of a
// bias and sums share. An NHWC activation is such a matrix with rows = N * H * W.
//
// Vectors want `width` to be a multiple of the lanes, channels may be 1 or 3. So the matrix is read
// as wider rows: `fold` rows of `channels` elements make one row of `width` elements, in which
// column j is channel j % channels. Per-channel operands are repeated to that width, per-column
// sums are folded back to channels at the end. The last wide row may be partial.
//
// Work is cut into blocks of wide rows whose size depends on the shape alone, one partial result a
// block, combined in the order of the blocks: the bits do not depend on the number of threads.
#pragma once

#include "../common/parallel.hpp"
#include "../common/simd.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace TG_ISA {

struct Columns {
  long channels, fold, width;  // width = fold * channels, a multiple of the lanes
  long size;                   // elements in all
  long block, blocks;          // elements in a block, a multiple of width; how many blocks
};

enum { kBlockElements = 32768, kMinWidth = 128, kMinBlockRows = 32, kMaxBlocks = 256 };

TG_INLINE long ceil_div(long a, long b) { return (a + b - 1) / b; }
TG_INLINE long max_of(long a, long b) { return a > b ? a : b; }
TG_INLINE long min_of(long a, long b) { return a < b ? a : b; }

TG_INLINE Columns plan_columns(long rows, long channels) {
  Columns p;
  p.channels = channels;
  p.fold = 1;
  while (channels * p.fold % kLanesF != 0 || channels * p.fold < kMinWidth) p.fold *= 2;
  p.width = channels * p.fold;
  p.size = rows * channels;
  long wide_rows = ceil_div(p.size, p.width);
  long block_rows = max_of(max_of(ceil_div(kBlockElements, p.width), kMinBlockRows),
                           ceil_div(wide_rows, kMaxBlocks));
  p.block = block_rows * p.width;
  p.blocks = ceil_div(p.size, p.block);
  return p;
}

// kLanesD elements as doubles, and back.
typedef float HalfF __attribute__((vector_size(TG_VECTOR_BYTES / 2)));

TG_INLINE VD load_wide(const double* p) { return load(p); }
TG_INLINE void store_narrow(double* p, VD v) { store(p, v); }
#if defined(__AVX512F__)  // GCC converts a generic vector in two halves
TG_INLINE VD load_wide(const float* p) {
  return (VD)_mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(p));
}
TG_INLINE void store_narrow(float* p, VD v) {
  _mm256_storeu_ps(p, _mm512_maskz_cvtpd_ps(0xff, (__m512d)v));
}
#elif defined(__AVX2__)
TG_INLINE VD load_wide(const float* p) { return (VD)_mm256_cvtps_pd(_mm_loadu_ps(p)); }
TG_INLINE void store_narrow(float* p, VD v) { _mm_storeu_ps(p, _mm256_cvtpd_ps((__m256d)v)); }
#else
TG_INLINE VD load_wide(const float* p) {
  HalfF v;
  memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, VD);
}
TG_INLINE void store_narrow(float* p, VD v) {
  HalfF narrow = __builtin_convertvector(v, HalfF);
  memcpy(p, &narrow, sizeof narrow);
}
#endif

// The first n of kLanesD elements; the others load as zero.
template <class T>
TG_INLINE VD load_wide_first(const T* p, long n) {
  T padded[kLanesD] = {};
  for (long i = 0; i < n; ++i) padded[i] = p[i];
  return load_wide(padded);
}
template <class T>
TG_INLINE void store_narrow_first(T* p, VD v, long n) {
  T padded[kLanesD];
  store_narrow(padded, v);
  for (long i = 0; i < n; ++i) p[i] = padded[i];
}

// Call row(i, j, n) for every group of n <= kLanesD elements at i in a span of `size` elements
// that starts at column 0; j is its column.
template <class Row>
TG_INLINE void for_each_group(long size, long width, const Row& row) {
  for (long start = 0; start < size; start += width) {
    long length = min_of(width, size - start), j = 0;
    for (; j + kLanesD <= length; j += kLanesD) row(start + j, j, (long)kLanesD);
    if (j < length) row(start + j, j, length - j);
  }
}

// The same by four wide rows at a time: rows(Rows<4>(), i, j, n) is of the groups at i, i + width,
// i
// + 2 width and i + 3 width, so that operands and sums of column j are loaded once for them. Rows
// that are left over come alone.
template <int R>
struct Rows {
  static constexpr int count = R;
};
template <class Use>
TG_INLINE void for_each_four(long size, long width, const Use& rows) {
  long start = 0;
  for (; start + 4 * width <= size; start += 4 * width)
    for (long j = 0; j < width; j += kLanesD) rows(Rows<4>(), start + j, j, (long)kLanesD);
  for_each_group(size - start, width,
                 [&](long i, long j, long n) { rows(Rows<1>(), start + i, j, n); });
}

template <class T>
TG_INLINE VD load_group(const T* p, long n) {
  return n == kLanesD ? load_wide(p) : load_wide_first(p, n);
}
template <class T>
TG_INLINE void store_group(T* p, VD v, long n) {
  n == kLanesD ? store_narrow(p, v) : store_narrow_first(p, v, n);
}

// Add a span of wide rows, the first one starting at column 0, to sums[width].
template <class T>
static void add_columns(const T* x, long size, long width, double* sums) {
  long start = 0;
  for (; start + 4 * width <= size; start += 4 * width) {
    const T* p = x + start;
    for (long j = 0; j < width; j += kLanesD) {
      VD first = load_wide(p + j) + load_wide(p + width + j);
      VD second = load_wide(p + 2 * width + j) + load_wide(p + 3 * width + j);
      store(sums + j, load(sums + j) + (first + second));
    }
  }
  for_each_group(size - start, width, [&](long i, long j, long n) {
    store(sums + j, load(sums + j) + load_group(x + start + i, n));
  });
}

// Fold sums of columns to sums of channels, in place: sums[0 .. channels).
TG_INLINE void fold_columns(double* sums, const Columns& p) {
  for (long j = p.channels; j < p.width; ++j) sums[j % p.channels] += sums[j];
}

// Repeat values[0 .. channels) until the width is full, in place.
template <class T>
TG_INLINE void repeat_columns(T* values, const Columns& p) {
  for (long j = p.channels; j < p.width; ++j) values[j] = values[j - p.channels];
}

TG_INLINE void fill(double* p, long n, double value) {
  for (long i = 0; i < n; ++i) p[i] = value;
}

}  // namespace TG_ISA
