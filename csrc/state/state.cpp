// copy:     to = from, past the caches: a snapshot is written at every step and hardly ever read
// average:  a = x + (a - x) * beta
// finite:   x - x is 0, or NaN where x is NaN or infinite; so is the sum, whatever its order
//
// All are bound by memory: 8, 12 and 4 bytes an element (float).
#include "state.hpp"

#include "../common/simd.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace TG_ISA {
namespace {

#if defined(__AVX512F__)
TG_INLINE void stream(float* p, VF x) { _mm512_stream_ps(p, (__m512)x); }
TG_INLINE void flush() { _mm_sfence(); }
#elif defined(__AVX2__)
TG_INLINE void stream(float* p, VF x) { _mm256_stream_ps(p, (__m256)x); }
TG_INLINE void flush() { _mm_sfence(); }
#elif defined(__x86_64__)
TG_INLINE void stream(float* p, VF x) { _mm_stream_ps(p, (__m128)x); }
TG_INLINE void flush() { _mm_sfence(); }
#else
TG_INLINE void stream(float* p, VF x) { store(p, x); }
TG_INLINE void flush() {}
#endif

// Bytes, since a copy does not care what they mean; they move as vectors of floats.
void copy(char* to, const char* from, long bytes) {
  long head = (long)(-(uintptr_t)to % sizeof(VF));  // streaming stores take whole vectors
  if (head > bytes) head = bytes;
  memcpy(to, from, (size_t)head);
  long i = head;
  for (; i + (long)sizeof(VF) <= bytes; i += sizeof(VF))
    stream((float*)(to + i), load((const float*)(from + i)));
  memcpy(to + i, from + i, (size_t)(bytes - i));
  flush();
}

template <class T>
void average(T beta, T* a, const T* x, long begin, long end) {
  constexpr long lanes = Simd<T>::lanes;
  typename Simd<T>::V kept = splat(beta);
  for (long i = begin; i < end; i += lanes) {
    long n = end - i < lanes ? end - i : lanes;
    auto get = [&](const T* p) { return n == lanes ? load(p + i) : load_first(p + i, n); };
    auto mean = get(x) + (get(a) - get(x)) * kept;
    n == lanes ? store(a + i, mean) : store_first(a + i, mean, n);
  }
}

template <class T>
bool is_finite(const T* x, long begin, long end) {
  typedef typename Simd<T>::V V;
  constexpr long lanes = Simd<T>::lanes;
  V sums[4] = {};  // one alone would wait for its own last addition
  long i = begin;
  for (; i + 4 * lanes <= end; i += 4 * lanes)
    for (int k = 0; k < 4; ++k) {
      V part = load(x + i + k * lanes);
      sums[k] += part - part;
    }
  for (; i < end; i += lanes) {
    V part = end - i < lanes ? load_first(x + i, end - i) : load(x + i);
    sums[0] += part - part;
  }
  return sum_lanes<T>(sums[0] + sums[1] + (sums[2] + sums[3])) == 0;
}

}  // namespace

void state_copy(const TgGroups& pairs) {
  for_each_piece(pairs, [](const TgGroup& pair, long begin, long end) {
    long item = pair.is_double ? 8 : 4;
    copy(pair.data[0] + begin * item, pair.data[1] + begin * item, (end - begin) * item);
  });
}

void state_average(double beta, const TgGroups& pairs) {
  for_each_piece(pairs, [&](const TgGroup& pair, long begin, long end) {
    char* const* data = pair.data;
    if (pair.is_double) return average(beta, (double*)data[0], (double*)data[1], begin, end);
    average((float)beta, (float*)data[0], (float*)data[1], begin, end);
  });
}

bool state_finite(const TgGroups& arrays) {
  int wrong = 0;
  for_each_piece(arrays, [&](const TgGroup& array, long begin, long end) {
    bool fine = array.is_double ? is_finite((double*)array.data[0], begin, end)
                                : is_finite((float*)array.data[0], begin, end);
    if (!fine) __atomic_store_n(&wrong, 1, __ATOMIC_RELAXED);
  });
  return __atomic_load_n(&wrong, __ATOMIC_RELAXED) == 0;
}

}  // namespace TG_ISA
