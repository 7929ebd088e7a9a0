// unfold  cols[n,p,q,c,r,s] = x[n, p stride - pad + r dil, q stride - pad + s dil, c], 0 outside
// fold    x[n,h,w,c] = sum of the cols[n,p,q,c,r,s] that unfold would have copied from there
//
// Mapping. A task is a row of patches (n, p), or of pixels (n, h) in fold, which gathers: each
// output is summed by one thread in the order (r, s), so the bits do not depend on the threads.
// Traffic: every element of cols moves once; x is read R S / stride^2 times, from cache. Scalar
// code: C and R, S interleave in cols, and memory bounds it. No tails. Reference:
// kernels/unfold/reference.py.
#include "unfold.hpp"

#include "../common/parallel.hpp"

namespace TG_ISA {
namespace {

template <class T>
void unfold_row(const UnfoldArgs& a, long n, long p) {
  const long taps = a.R * a.S;
  T* patch = (T*)a.cols + (n * a.P + p) * a.Q * a.C * taps;
  for (long q = 0; q < a.Q; ++q, patch += a.C * taps)
    for (long r = 0; r < a.R; ++r)
      for (long s = 0; s < a.S; ++s) {
        const long h = p * a.stride_h - a.pad_h + r * a.dil_h;
        const long w = q * a.stride_w - a.pad_w + s * a.dil_w;
        T* out = patch + r * a.S + s;
        if (h < 0 || h >= a.H || w < 0 || w >= a.W) {
          for (long c = 0; c < a.C; ++c) out[c * taps] = 0;
        } else {
          const T* pixel = (const T*)a.x + n * a.x_n + h * a.x_h + w * a.x_w;
          for (long c = 0; c < a.C; ++c) out[c * taps] = pixel[c];
        }
      }
}

template <class T>
void fold_row(const UnfoldArgs& a, long n, long h) {
  const long taps = a.R * a.S;
  for (long w = 0; w < a.W; ++w) {
    T* pixel = (T*)a.x + ((n * a.H + h) * a.W + w) * a.C;
    for (long c = 0; c < a.C; ++c) pixel[c] = 0;
    for (long r = 0; r < a.R; ++r) {
      const long p = h + a.pad_h - r * a.dil_h;  // times stride_h
      if (p < 0 || p % a.stride_h != 0 || p / a.stride_h >= a.P) continue;
      for (long s = 0; s < a.S; ++s) {
        const long q = w + a.pad_w - s * a.dil_w;
        if (q < 0 || q % a.stride_w != 0 || q / a.stride_w >= a.Q) continue;
        const long patch = (n * a.P + p / a.stride_h) * a.Q + q / a.stride_w;
        const T* in = (const T*)a.cols + patch * a.C * taps + r * a.S + s;
        for (long c = 0; c < a.C; ++c) pixel[c] += in[c * taps];
      }
    }
  }
}

template <class T>
void run(const UnfoldArgs& a, bool folds) {
  const long lines = folds ? a.H : a.P;
  parallel_for(a.N * lines, 1, [&](long begin, long end) {
    for (long i = begin; i < end; ++i)
      folds ? fold_row<T>(a, i / lines, i % lines) : unfold_row<T>(a, i / lines, i % lines);
  });
}

}  // namespace

void unfold(const UnfoldArgs& a) { a.is_double ? run<double>(a, false) : run<float>(a, false); }

void fold(const UnfoldArgs& a) { a.is_double ? run<double>(a, true) : run<float>(a, true); }

}  // namespace TG_ISA
