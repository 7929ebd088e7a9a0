// y[o, i] = sum (max, min) over m of x[o, m, i].
//
// inner = 1 is a reduction of rows: lanes run along m. Otherwise of columns: see columns.hpp. Every
// kBlockElements or so give one partial result, combined in order. Everything is carried in double,
// into which floats convert exactly; so max and min share the code of sum. NaN wins in max and min.
#include "reduce.hpp"

#include "columns.hpp"

namespace TG_ISA {
namespace {

struct Sum {
  static constexpr double start = 0;
  template <class V>
  static V join(V a, V x) {
    return a + x;
  }
};
struct Max {
  static constexpr double start = -__builtin_inf();
  template <class V>
  static V join(V a, V x) {
    return (x > a) | (x != x) ? x : a;  // a NaN in `a` stays: no comparison with it is true
  }
};
struct Min {
  static constexpr double start = __builtin_inf();
  template <class V>
  static V join(V a, V x) {
    return (x < a) | (x != x) ? x : a;
  }
};

template <class Op, class T>
double reduce_row(const T* x, long n) {
  double total = Op::start;
  long i = 0;
  if (n >= 2 * kLanesD) {
    VD a[4];
    for (VD& lane : a) lane = splat(Op::start);
    for (; i + 4 * kLanesD <= n; i += 4 * kLanesD)
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) a[k] = Op::join(a[k], load_wide(x + i + k * kLanesD));
    for (; i + kLanesD <= n; i += kLanesD) a[0] = Op::join(a[0], load_wide(x + i));
    VD joined = Op::join(Op::join(a[0], a[1]), Op::join(a[2], a[3]));
    double lanes[kLanesD];
    memcpy(lanes, &joined, sizeof lanes);
    for (int width = kLanesD / 2; width > 0; width /= 2)
      for (int k = 0; k < width; ++k) lanes[k] = Op::join(lanes[k], lanes[k + width]);
    total = lanes[0];
  }
  for (; i < n; ++i) total = Op::join(total, (double)x[i]);
  return total;
}

#if defined(__AVX512F__)
constexpr int kAcross = 16;  // vectors of columns that are carried in registers
#else
constexpr int kAcross = 8;
#endif

// Carry `B` vectors of columns down the whole rows of a span.
template <class Op, int B, class T>
TG_INLINE void reduce_panel(const T* x, long size, long width, double* a) {
  VD carried[B];
#pragma GCC unroll 16
  for (int b = 0; b < B; ++b) carried[b] = splat(Op::start);
  for (long i = 0; i < size; i += width)
#pragma GCC unroll 16
    for (int b = 0; b < B; ++b) carried[b] = Op::join(carried[b], load_wide(x + i + b * kLanesD));
#pragma GCC unroll 16
  for (int b = 0; b < B; ++b) store(a + b * kLanesD, carried[b]);
}

template <class Op, class T>
void reduce_columns(const T* x, long size, const Columns& p, double* a, double* out) {
  const long start = size / p.width * p.width;
  long j = 0;
  for (; j + kAcross * kLanesD <= p.width; j += kAcross * kLanesD)
    reduce_panel<Op, kAcross>(x + j, start, p.width, a + j);
  for (; j < p.width; j += kLanesD) reduce_panel<Op, 1>(x + j, start, p.width, a + j);
  x += start;
  for_each_group(size - start, p.width, [&](long i, long j, long n) {
    if (n == kLanesD) return store(a + j, Op::join(load(a + j), load_wide(x + i)));
    for (long k = 0; k < n; ++k) a[j + k] = Op::join(a[j + k], (double)x[i + k]);
  });
  for (long j = p.channels; j < p.width; ++j) {
    double& folded = a[j % p.channels];
    folded = Op::join(folded, a[j]);
  }
  for (long c = 0; c < p.channels; ++c) out[c] = a[c];
}

// How one slice (middle, inner) is cut: `block` elements each.
struct Cut {
  Columns columns;
  long size, block, blocks;

  explicit Cut(const Reduce& s) : columns(plan_columns(s.middle, s.inner)) {
    size = s.middle * s.inner;
    block = s.inner == 1 ? (long)kBlockElements : columns.block;
    blocks = ceil_div(size, block);
  }
};

template <class Op, class T>
void run(const Reduce& s, const T* x, T* y) {
  Cut cut(s);
  double* scratch = static_cast<double*>(s.workspace);      // slots x width
  double* partial = scratch + cut.columns.width * s.slots;  // outer x blocks x inner
  long grain = max_of(1, kBlockElements / min_of(cut.size, cut.block));
  parallel_for_on(s.slots, s.outer * cut.blocks, grain, [&](long begin, long end) {
    double* a = scratch + cut.columns.width * tg_thread_index();
    for (long item = begin; item < end; ++item) {
      long start = item % cut.blocks * cut.block, size = min_of(cut.block, cut.size - start);
      const T* from = x + item / cut.blocks * cut.size + start;
      if (s.inner == 1 && cut.blocks == 1)
        y[item] = (T)reduce_row<Op>(from, size);
      else if (s.inner == 1)
        partial[item] = reduce_row<Op>(from, size);
      else
        reduce_columns<Op>(from, size, cut.columns, a, partial + item * s.inner);
    }
  });
  if (s.inner == 1 && cut.blocks == 1) return;
  parallel_for(s.outer, max_of(1, kBlockElements / (cut.blocks * s.inner)),
               [&](long begin, long end) {
                 for (long o = begin; o < end; ++o)
                   for (long i = 0; i < s.inner; ++i) {
                     const double* of = partial + o * cut.blocks * s.inner + i;
                     double total = of[0];
                     for (long b = 1; b < cut.blocks; ++b) total = Op::join(total, of[b * s.inner]);
                     y[o * s.inner + i] = (T)total;
                   }
               });
}

template <class T>
void run_kind(const Reduce& s, const T* x, T* y) {
  if (s.kind == REDUCE_SUM) return run<Sum>(s, x, y);
  if (s.kind == REDUCE_MAX) return run<Max>(s, x, y);
  run<Min>(s, x, y);
}

}  // namespace

size_t reduce_workspace(const Reduce& s) {
  Cut cut(s);
  return sizeof(double) * (size_t)(cut.columns.width * s.slots + s.outer * cut.blocks * s.inner);
}

void reduce(const Reduce& s, const void* x, void* y) {
  if (s.is_double) return run_kind(s, (const double*)x, (double*)y);
  run_kind(s, (const float*)x, (float*)y);
}

}  // namespace TG_ISA
