// The square root of a vector, correctly rounded. Include only from per-CPU files.
#pragma once

#include "simd.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace TG_ISA {

#if defined(__AVX512F__)
TG_INLINE VF root(VF x) { return (VF)_mm512_maskz_sqrt_ps(0xffff, (__m512)x); }
TG_INLINE VD root(VD x) { return (VD)_mm512_maskz_sqrt_pd(0xff, (__m512d)x); }
#elif defined(__AVX2__)
TG_INLINE VF root(VF x) { return (VF)_mm256_sqrt_ps((__m256)x); }
TG_INLINE VD root(VD x) { return (VD)_mm256_sqrt_pd((__m256d)x); }
#elif defined(__x86_64__)
TG_INLINE VF root(VF x) { return (VF)_mm_sqrt_ps((__m128)x); }
TG_INLINE VD root(VD x) { return (VD)_mm_sqrt_pd((__m128d)x); }
#else
template <class V>
TG_INLINE V root(V x) {
  for (unsigned i = 0; i < sizeof x / sizeof x[0]; ++i) x[i] = __builtin_sqrt(x[i]);
  return x;
}
#endif

}  // namespace TG_ISA
