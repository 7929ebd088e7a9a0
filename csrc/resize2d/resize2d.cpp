// y = A x B^T for sparse A (P, H) and B (Q, W), the same for all images and channels.
//
// Mapping. A task is an output row (n, p). First the input rows that it meets are added up into one
// line (W, C), a scratch of the thread, in vectors that run across pixels; then every output pixel
// is added up from the line. Each sum is made by one thread in the order of the taps, in the type
// of x. The adjoint is the same kernel with A^T and B^T.
//
// Traffic: K rows of x for each output row, from cache; the line stays in L1 or L2. Tails: the
// elements beyond the last whole vector one at a time. Reference: kernels/resize2d/reference.py.
#include "resize2d.hpp"

#include "../common/parallel.hpp"
#include "../common/simd.hpp"

namespace TG_ISA {
namespace {

// `B` vectors of the sum over taps of weight * in[index * stride ...].
template <int B, class T>
TG_INLINE void weigh_vectors(const T* in, long stride, const int64_t* index, const T* weight,
                             long taps, T* out) {
  constexpr int lanes = Simd<T>::lanes;
  typename Simd<T>::V sum[B] = {};
  for (long t = 0; t < taps; ++t) {
    const T* from = in + index[t] * stride;
    for (int b = 0; b < B; ++b) sum[b] += load(from + b * lanes) * splat(weight[t]);
  }
  for (int b = 0; b < B; ++b) store(out + b * lanes, sum[b]);
}

// The same for out[0 .. n), contiguous along n.
template <class T>
TG_INLINE void weigh(const T* in, long stride, const int64_t* index, const T* weight, long taps,
                     long n, T* out) {
  constexpr int lanes = Simd<T>::lanes;
  long i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes)
    weigh_vectors<4>(in + i, stride, index, weight, taps, out + i);
  for (; i + lanes <= n; i += lanes) weigh_vectors<1>(in + i, stride, index, weight, taps, out + i);
  for (; i < n; ++i) {
    T sum = 0;
    for (long t = 0; t < taps; ++t) sum += in[index[t] * stride + i] * weight[t];
    out[i] = sum;
  }
}

template <class T>
void resize_row(const ResizeArgs& a, long n, long p, T* line) {
  const T* x = (const T*)a.x + n * a.x_n;
  const int64_t first = a.rows.start[p], *rows = a.rows.index + first;
  const T* row_weight = (const T*)a.rows.weight + first;
  const long taps = a.rows.start[p + 1] - first;
  if (a.x_w == a.C) {
    weigh(x, a.x_h, rows, row_weight, taps, a.W * a.C, line);
  } else {
    for (long w = 0; w < a.W; ++w)
      weigh(x + w * a.x_w, a.x_h, rows, row_weight, taps, a.C, line + w * a.C);
  }
  T* y = (T*)a.y + (n * a.P + p) * a.Q * a.C;
  for (long q = 0; q < a.Q; ++q) {
    const int64_t at = a.columns.start[q];
    weigh(line, a.C, a.columns.index + at, (const T*)a.columns.weight + at,
          a.columns.start[q + 1] - at, a.C, y + q * a.C);
  }
}

template <class T>
void run(const ResizeArgs& a) {
  parallel_for_on(a.slots, a.N * a.P, 4, [&](long begin, long end) {
    T* line = (T*)a.workspace + tg_thread_index() * a.W * a.C;
    for (long i = begin; i < end; ++i) resize_row<T>(a, i / a.P, i % a.P, line);
  });
}

}  // namespace

size_t resize2d_bytes(const ResizeArgs& a) {
  return (a.is_double ? 8 : 4) * (size_t)a.slots * (size_t)(a.W * a.C);
}

void resize2d(const ResizeArgs& a) { a.is_double ? run<double>(a) : run<float>(a); }

}  // namespace TG_ISA
