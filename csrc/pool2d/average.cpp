// y[p, q] = mean of x over window (p, q), and the adjoint gx[h, w] = sum of gy / count over the
// windows that hold (h, w).
//
// Mapping. A task is an output row. A window is a sum of rows and then of columns: the rows that
// the output row meets are added up into one line, a scratch of the thread, in vectors that run
// across pixels; then every output pixel adds up pixels of the line, in vectors across channels. So
// each pixel is read R / stride times from memory or L2 and S / stride times from L1, and not
// R * S times. Where one row alone is met, there is no line: it is read where it lies. Windows of
// 2 x 2 at stride 2 are added up straight from x.
//
// Traffic: x and y once each, while the R rows of a window stay in L2. Tails: elements beyond the
// last whole vector one at a time. Sums run in an order that the shape alone decides, in the type
// of x; the divisor is a factor 1 / count, two roundings. Reference: kernels/pool2d/reference.py.
#include "../common/parallel.hpp"
#include "windows.hpp"

namespace TG_ISA {
namespace {

// out[i] = scale * sum over t < count of in[t * step + i], for `B` vectors from i = 0 on.
template <int B, class T>
TG_INLINE void add_vectors(const T* in, long step, long count, T scale, T* out) {
  constexpr int lanes = Simd<T>::lanes;
  typename Simd<T>::V sum[B];
  for (int b = 0; b < B; ++b) sum[b] = load(in + b * lanes);
  for (long t = 1; t < count; ++t)
    for (int b = 0; b < B; ++b) sum[b] += load(in + t * step + b * lanes);
  for (int b = 0; b < B; ++b) store<T>(out + b * lanes, sum[b] * splat(scale));
}

// The same for i in [0, n); count is at least 1.
template <class T>
TG_INLINE void add_up(const T* in, long step, long count, T scale, long n, T* out) {
  constexpr int lanes = Simd<T>::lanes;
  long i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) add_vectors<4>(in + i, step, count, scale, out + i);
  for (; i + lanes <= n; i += lanes) add_vectors<1>(in + i, step, count, scale, out + i);
  for (; i < n; ++i) {
    T sum = in[i];
    for (long t = 1; t < count; ++t) sum += in[t * step + i];
    out[i] = sum * scale;
  }
}

// Add up `count` rows of `pixels` pixels into a line; or return the row where there is one alone.
template <class T>
const T* line_of(const PoolArgs& a, const T* rows, long count, long pixels, T* line) {
  const bool dense = a.in_w == a.C || pixels == 1;
  if (dense && count == 1) return rows;
  if (dense) {
    add_up(rows, a.in_h, count, (T)1, pixels * a.C, line);
  } else {
    for (long w = 0; w < pixels; ++w)
      add_up(rows + w * a.in_w, a.in_h, count, (T)1, a.C, line + w * a.C);
  }
  return line;
}

template <class T>
void average_row(const PoolArgs& a, long n, long p, T* scratch) {
  const Span rows = rows_of(a).elements(p);
  const Axis columns = columns_of(a);
  const T* x = (const T*)a.in + n * a.in_n + rows.first * a.in_h;
  const T* line = line_of(a, x, rows.end - rows.first, a.W, scratch);
  T* y = (T*)a.out + (n * a.P + p) * a.Q * a.C;
  for (long q = 0; q < a.Q; ++q) {
    const Span at = columns.elements(q);
    const long inside = (rows.end - rows.first) * (at.end - at.first);
    const T scale = (T)1 / (T)(a.count_pad ? a.R * a.S : inside);
    add_up(line + at.first * a.C, a.C, at.end - at.first, scale, a.C, y + q * a.C);
  }
}

// A row of windows of 2 x 2 at stride 2 without padding.
template <class T>
void average_squares(const PoolArgs& a, long n, long p) {
  constexpr int lanes = Simd<T>::lanes;
  const T *top = (const T*)a.in + n * a.in_n + 2 * p * a.in_h, *low = top + a.in_h;
  T* y = (T*)a.out + (n * a.P + p) * a.Q * a.C;
  const T quarter = (T)0.25;
  const long C = a.C, next = a.in_w;
  for (long q = 0; q < a.Q; ++q, top += 2 * next, low += 2 * next, y += C) {
    long c = 0;
    for (; c + lanes <= C; c += lanes)
      store<T>(y + c,
               ((load(top + c) + load(low + c)) + (load(top + next + c) + load(low + next + c))) *
                   splat(quarter));
    for (; c < C; ++c) y[c] = ((top[c] + low[c]) + (top[next + c] + low[next + c])) * quarter;
  }
}

// What an element gets of the windows that hold it, row by row. Where counts differ, rows and
// columns of windows have weights of their own: 1 / (rows inside * columns inside).
template <class T>
void spread_row(const PoolArgs& a, long n, long h, T* scratch) {
  const Axis rows = rows_of(a), columns = columns_of(a);
  const Span of = rows.holders(h);
  T* gx = (T*)a.out + (n * a.H + h) * a.W * a.C;
  const long size = a.W * a.C;
  if (of.first >= of.end) {
    memset(gx, 0, (size_t)size * sizeof(T));
    return;
  }
  const T* gy = (const T*)a.in + n * a.in_n + of.first * a.in_h;
  const T* line = gy;
  T scale = (T)1 / (T)(a.R * a.S);
  if (a.count_pad) {
    line = line_of(a, gy, of.end - of.first, a.Q, scratch);
  } else {
    scale = 1;
    for (long q = 0; q < a.Q; ++q) {
      const Span across = columns.elements(q);
      const T by_column = (T)1 / (T)(across.end - across.first);
      for (long c = 0; c < a.C; ++c) scratch[q * a.C + c] = 0;
      for (long p = of.first; p < of.end; ++p) {
        const Span down = rows.elements(p);
        const T weight = (T)1 / (T)(down.end - down.first) * by_column;
        const T* from = gy + (p - of.first) * a.in_h + q * a.in_w;
        for (long c = 0; c < a.C; ++c) scratch[q * a.C + c] += from[c] * weight;
      }
    }
    line = scratch;
  }
  for (long w = 0; w < a.W; ++w) {
    const Span at = columns.holders(w);
    T* to = gx + w * a.C;
    if (at.first < at.end)
      add_up(line + at.first * a.C, a.C, at.end - at.first, scale, a.C, to);
    else
      memset(to, 0, (size_t)a.C * sizeof(T));
  }
}

template <class T>
void average(const PoolArgs& a) {
  const bool squares = a.R == 2 && a.S == 2 && a.stride_h == 2 && a.stride_w == 2 && a.pad_h == 0 &&
                       a.pad_w == 0 && a.C >= Simd<T>::lanes;
  parallel_for_on(a.slots, a.N * a.P, 4, [&](long begin, long end) {
    T* scratch = (T*)a.workspace + tg_thread_index() * a.W * a.C;
    for (long i = begin; i < end; ++i)
      squares ? average_squares<T>(a, i / a.P, i % a.P)
              : average_row<T>(a, i / a.P, i % a.P, scratch);
  });
}

template <class T>
void spread(const PoolArgs& a) {
  parallel_for_on(a.slots, a.N * a.H, 4, [&](long begin, long end) {
    T* scratch = (T*)a.workspace + tg_thread_index() * a.Q * a.C;
    for (long i = begin; i < end; ++i) spread_row<T>(a, i / a.H, i % a.H, scratch);
  });
}

size_t line_bytes(const PoolArgs& a, long pixels) {
  return (a.is_double ? 8 : 4) * (size_t)a.slots * (size_t)(pixels * a.C);
}

}  // namespace

size_t avg_pool2d_bytes(const PoolArgs& a) { return line_bytes(a, a.W); }
size_t avg_pool2d_adjoint_bytes(const PoolArgs& a) { return line_bytes(a, a.Q); }
void avg_pool2d(const PoolArgs& a) { a.is_double ? average<double>(a) : average<float>(a); }
void avg_pool2d_adjoint(const PoolArgs& a) { a.is_double ? spread<double>(a) : spread<float>(a); }

}  // namespace TG_ISA
