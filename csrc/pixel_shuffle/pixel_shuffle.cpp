// fine[h r + i, w r + j, c] = coarse[h, w, c r r + i r + j], and the way back.
//
// Mapping. A task is a few rows of the coarse image. A coarse pixel holds r * r fine pixels, entry
// by entry in turns; at r = 2 one loop over c deals them out to four places (or collects them),
// which the compiler does in vectors. Traffic: every element once in and once out. Nothing is
// computed, so that every bit stays, of NaN too. Reference: kernels/pixel_shuffle/reference.py.
#include "pixel_shuffle.hpp"

#include "../common/parallel.hpp"
#include "../common/simd.hpp"

namespace TG_ISA {
namespace {

// Copy one coarse pixel to or from its fine ones: fine[i * fine_h + j * fine_w + c]. R is r, or 0
// for any.
template <int R, bool to_fine, class T>
TG_INLINE void move_pixel(long r, long C, T* __restrict coarse, T* __restrict fine, long fine_h,
                          long fine_w) {
  if constexpr (R == 2) {
    T *top = fine, *low = fine + fine_h;
    for (long c = 0; c < C; ++c) {
      T* at[4] = {top + c, top + fine_w + c, low + c, low + fine_w + c};
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) to_fine ? *at[k] = coarse[4 * c + k] : coarse[4 * c + k] = *at[k];
    }
  } else {
    for (long i = 0; i < r; ++i)
      for (long j = 0; j < r; ++j) {
        T *at = fine + i * fine_h + j * fine_w, *deep = coarse + i * r + j;
        for (long c = 0; c < C; ++c) to_fine ? at[c] = deep[c * r * r] : deep[c * r * r] = at[c];
      }
  }
}

template <int R, bool to_fine, class T>
void move_row(const PixelShuffle& a, long n, long h) {
  const long deep = a.C * a.r * a.r, dense = a.W * a.r * a.C;  // a coarse pixel; a fine row
  const long coarse_w = to_fine ? a.in_w : deep, fine_w = to_fine ? a.C : a.in_w;
  const long fine_h = to_fine ? dense : a.in_h;
  T *in = (T*)a.in + n * a.in_n, *out = (T*)a.out;
  T* coarse = to_fine ? in + h * a.in_h : out + (n * a.H + h) * a.W * deep;
  T* fine = to_fine ? out + (n * a.H + h) * a.r * dense : in + h * a.r * a.in_h;
  for (long w = 0; w < a.W; ++w)
    move_pixel<R, to_fine>(a.r, a.C, coarse + w * coarse_w, fine + w * a.r * fine_w, fine_h,
                           fine_w);
}

template <bool to_fine, class T>
void run(const PixelShuffle& a) {
  parallel_for(a.N * a.H, 4, [&](long begin, long end) {
    for (long i = begin; i < end; ++i)
      (a.r == 2 ? move_row<2, to_fine, T> : move_row<0, to_fine, T>)(a, i / a.H, i % a.H);
  });
}

}  // namespace

void pixel_shuffle(const PixelShuffle& a) {
  a.is_double ? run<true, uint64_t>(a) : run<true, uint32_t>(a);
}
void pixel_unshuffle(const PixelShuffle& a) {
  a.is_double ? run<false, uint64_t>(a) : run<false, uint32_t>(a);
}

}  // namespace TG_ISA
