// y = exp(x - m) / sum exp(x - m), m the largest of a row; its vjp y * (gy - sum gy * y); and
// log sum exp(x) = log(sum exp(x - m)) + m.
//
// Mapping: threads share rows. A row is read for its largest entry, then for the sum of its
// exponentials, which are written on the way, and these are scaled: three passes, of which the
// first meets memory and the others the cache (rows.hpp). Traffic (float): 8 bytes an entry, 12 in
// the vjp, 4 in logsumexp.
//
// Numerics: sums in the type of x, in an order that the width alone decides; exp is vmath.hpp's.
// 1 / sum is a factor. Tails: lanes beyond the row hold -inf, whose exponential is 0.
// Reference: kernels/softmax/reference.py.
#include "softmax.hpp"

#include "../common/parallel.hpp"
#include "rows.hpp"

namespace TG_ISA {
namespace {

// Rows of one task: about 8192 entries.
long rows_at_once(const SoftmaxShape& s) { return s.width < 8192 ? 8192 / s.width : 1; }

template <class Row>
void each_row(const SoftmaxShape& s, const Row& row) {
  parallel_for(s.rows, rows_at_once(s), [&](long begin, long end) {
    for (long r = begin; r < end; ++r) row(r, r * s.width);
  });
}

template <class T>
void forward(const SoftmaxShape& s, const T* x, T* y) {
  each_row(s, [&](long, long at) { row_softmax(x + at, s.width, y + at); });
}

template <class T>
void vjp(const SoftmaxShape& s, const T* y, const T* gy, T* gx) {
  each_row(s, [&](long, long at) {
    const T shift = row_dot(y + at, gy + at, s.width);
    row_softmax_vjp(y + at, gy + at, s.width, shift, gx + at);
  });
}

template <class T>
void log_sums(const SoftmaxShape& s, const T* x, T* y) {
  each_row(s, [&](long r, long at) {
    const T top = row_max(x + at, s.width);
    if (is_finite(top))
      y[r] = (T)log((double)row_exp(x + at, s.width, top, (T*)nullptr)) + top;
    else
      y[r] = has_nan(x + at, s.width) ? (T)__builtin_nan("") : top;
  });
}

}  // namespace

void softmax(const SoftmaxShape& s, const void* x, void* y) {
  if (s.is_double) return forward(s, (const double*)x, (double*)y);
  forward(s, (const float*)x, (float*)y);
}

void softmax_vjp(const SoftmaxShape& s, const void* y, const void* gy, void* gx) {
  if (s.is_double) return vjp(s, (const double*)y, (const double*)gy, (double*)gx);
  vjp(s, (const float*)y, (const float*)gy, (float*)gx);
}

void logsumexp(const SoftmaxShape& s, const void* x, void* y) {
  if (s.is_double) return log_sums(s, (const double*)x, (double*)y);
  log_sums(s, (const float*)x, (float*)y);
}

}  // namespace TG_ISA
