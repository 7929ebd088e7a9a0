// y = clip(act(x + b) * gain, -clamp, clamp), and its vjp in one pass over memory.
//
// Traffic: x and y forward; x, gy and gx in the vjp (the mask and act' are computed anew from x).
// The sums over rows (gb, gslope) read each block while it lies in the cache, in double, one
// partial sum a block. See reduce/columns.hpp for the wide rows and the blocks.
#include "bias_act.hpp"

#include "../reduce/columns.hpp"
#include "vmath.hpp"

namespace TG_ISA {
namespace {

enum { kSpan = 4096 };  // elements of a block that are worked on at a time: they stay in L1

template <int act, class V>
TG_INLINE V value(V t, V a) {
  V zero = vector_of(t, 0);
  if constexpr (act == LINEAR) return t;
  if constexpr (act == RELU) return t <= 0 ? zero : t;
  if constexpr (act == LEAKY_RELU || act == PRELU) return t > 0 ? t : t * a;
  if constexpr (act == ELU) return t > 0 ? t : expm1_nonpositive(t > 0 ? zero : t) * a;
  if constexpr (act == TANH) return vtanh(t);
  if constexpr (act == SIGMOID) return vsigmoid(t);
  if constexpr (act == SOFTPLUS) return vsoftplus(t);
  if constexpr (act == SWISH) return t * vsigmoid(t);
}

template <int act, class V>
TG_INLINE V derivative(V t, V a) {
  V zero = vector_of(t, 0), one = vector_of(t, 1);
  if constexpr (act == LINEAR) return one;
  if constexpr (act == RELU) return t <= 0 ? zero : one;
  if constexpr (act == LEAKY_RELU || act == PRELU) return t > 0 ? one : a;
  if constexpr (act == ELU) return t > 0 ? one : exp_nonpositive(t > 0 ? zero : t) * a;
  if constexpr (act == TANH) {  // 1 - tanh^2 = 1 / cosh^2 = 4 e / (1 + e)^2, with all its digits
    V e = exp_nonpositive(-2 * vabs(t)), d = one + e;
    return 4 * e / (d * d);
  }
  if constexpr (act == SIGMOID) {
    V e = exp_nonpositive(-vabs(t)), d = one + e;
    return e / (d * d);
  }
  if constexpr (act == SOFTPLUS) return vsigmoid(t);
  if constexpr (act == SWISH) {
    V e = exp_nonpositive(-vabs(t)), d = one + e;
    V s = (t < 0 ? e : one) / d, flipped = (t < 0 ? one : e) / d;
    return s * (one + t * flipped);
  }
}

// The operands of each column, repeated to the width of a wide row.
template <class T>
struct Pattern {
  T *b, *a;
};

template <class T>
Pattern<T> make_pattern(const BiasAct& s, const Columns& p) {
  T* at = static_cast<T*>(s.workspace);
  Pattern<T> pattern = {at, at + p.width};
  for (long c = 0; c < p.channels; ++c) {
    pattern.b[c] = s.b ? ((const T*)s.b)[c] : (T)-0.0;  // x + -0 is x, also for -0
    pattern.a[c] = s.slope ? ((const T*)s.slope)[c] : (T)s.alpha;
  }
  repeat_columns(pattern.b, p), repeat_columns(pattern.a, p);
  return pattern;
}

// Call group(i, j, n) for every vector of n <= lanes elements at i, column j, in a span.
template <class T, class Group>
TG_INLINE void for_each_vector(long size, long width, const Group& group) {
  constexpr long lanes = Simd<T>::lanes;
  for (long start = 0; start < size; start += width) {
    long length = min_of(width, size - start), j = 0;
    for (; j + lanes <= length; j += lanes) group(start + j, j, lanes);
    if (j < length) group(start + j, j, length - j);
  }
}

template <class T>
TG_INLINE typename Simd<T>::V load_n(const T* p, long n) {
  return n == Simd<T>::lanes ? load(p) : load_first(p, n);
}
template <class T>
TG_INLINE void store_n(T* p, typename Simd<T>::V v, long n) {
  n == Simd<T>::lanes ? store(p, v) : store_first(p, v, n);
}

template <int act, class T>
void forward(const BiasAct& s, const T* x, T* y) {
  typedef typename Simd<T>::V V;
  Columns p = plan_columns(s.rows, s.channels);
  Pattern<T> pattern = make_pattern<T>(s, p);
  V gain = splat((T)s.gain), top = splat((T)s.clamp);
  bool clamped = s.clamped;
  parallel_for(p.size, p.block, [&](long begin, long end) {
    for_each_vector<T>(end - begin, p.width, [&](long i, long j, long n) {
      V t = load_n(x + begin + i, n) + load(pattern.b + j);
      V v = value<act>(t, load(pattern.a + j)) * gain;
      if (clamped) v = v > top ? top : v < -top ? -top : v;  // NaN stays
      store_n(y + begin + i, v, n);
    });
  });
}

// gx of a span that starts at column 0; with gs, also what each element adds to gslope.
template <int act, class T>
TG_INLINE void span_vjp(const BiasAct& s, const Columns& p, const Pattern<T>& pattern, const T* x,
                        const T* gy, long size, T* gx, T* gs) {
  typedef typename Simd<T>::V V;
  V gain = splat((T)s.gain), top = splat((T)s.clamp), zero = {};
  bool clamped = s.clamped;
  for_each_vector<T>(size, p.width, [&](long i, long j, long n) {
    V t = load_n(x + i, n) + load(pattern.b + j), a = load(pattern.a + j);
    V g = load_n(gy + i, n) * gain;
    if (clamped) g = vabs(value<act>(t, a) * gain) <= top ? g : zero;
    store_n(gx + i, g * derivative<act>(t, a), n);
    if (act == PRELU && gs) store_n(gs + i, g * (t > 0 ? zero : t), n);
  });
}

template <int act, class T>
void vjp(const BiasAct& s, const T* x, const T* gy, T* gx, T* gb, T* gslope) {
  Columns p = plan_columns(s.rows, s.channels);
  Pattern<T> pattern = make_pattern<T>(s, p);
  long span = ceil_div(kSpan, p.width) * p.width;
  double* partial = static_cast<double*>(s.workspace) + 2 * p.width;  // blocks x 2 x channels
  double* sums = partial + 2 * p.channels * p.blocks;                 // slots x 2 x width
  T* scratch = reinterpret_cast<T*>(sums + 2 * p.width * s.slots);    // slots x span
  parallel_for_on(s.slots, p.size, p.block, [&](long begin, long end) {
    double* sum = sums + 2 * p.width * tg_thread_index();
    T* gs = gslope ? scratch + span * tg_thread_index() : nullptr;
    fill(sum, 2 * p.width, 0);
    for (long i = begin; i < end; i += span) {
      long size = min_of(span, end - i);
      span_vjp<act>(s, p, pattern, x + i, gy + i, size, gx + i, gs);
      if (gb) add_columns(gx + i, size, p.width, sum);
      if (gs) add_columns(gs, size, p.width, sum + p.width);
    }
    fold_columns(sum, p), fold_columns(sum + p.width, p);
    double* out = partial + 2 * p.channels * (begin / p.block);
    for (long c = 0; c < p.channels; ++c) out[c] = sum[c], out[p.channels + c] = sum[p.width + c];
  });
  if (!gb && !gslope) return;
  parallel_for(p.channels, 256, [&](long begin, long end) {
    for (long c = begin; c < end; ++c) {
      double b = 0, slope = 0;
      for (long k = 0; k < p.blocks; ++k) {
        b += partial[2 * p.channels * k + c];
        slope += partial[2 * p.channels * k + p.channels + c];
      }
      if (gb) gb[c] = (T)b;
      if (gslope) gslope[c] = (T)slope;
    }
  });
}

// Call the template of this activation: the enumerators are consecutive from 0.
template <int act, class T>
void forward_as(const BiasAct& s, const T* x, T* y) {
  if (s.act == act) return forward<act>(s, x, y);
  if constexpr (act + 1 < ACT_COUNT) forward_as<act + 1>(s, x, y);
}
template <int act, class T>
void vjp_as(const BiasAct& s, const T* x, const T* gy, T* gx, T* gb, T* gslope) {
  if (s.act == act) return vjp<act>(s, x, gy, gx, gb, gslope);
  if constexpr (act + 1 < ACT_COUNT) vjp_as<act + 1>(s, x, gy, gx, gb, gslope);
}

}  // namespace

size_t bias_act_workspace(const BiasAct& s) {
  Columns p = plan_columns(s.rows, s.channels);
  long span = ceil_div(kSpan, p.width) * p.width;
  return sizeof(double) *
         (size_t)(2 * p.width + 2 * p.channels * p.blocks + (2 * p.width + span) * s.slots);
}

void bias_act(const BiasAct& s, const void* x, void* y) {
  if (s.is_double) return forward_as<0>(s, (const double*)x, (double*)y);
  forward_as<0>(s, (const float*)x, (float*)y);
}

void bias_act_vjp(const BiasAct& s, const void* x, const void* gy, void* gx, void* gb,
                  void* gslope) {
  if (s.is_double)
    return vjp_as<0>(s, (const double*)x, (const double*)gy, (double*)gx, (double*)gb,
                     (double*)gslope);
  vjp_as<0>(s, (const float*)x, (const float*)gy, (float*)gx, (float*)gb, (float*)gslope);
}

}  // namespace TG_ISA
