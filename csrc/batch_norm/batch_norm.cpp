// t = weight * (x - mean) / sqrt(var + eps) + bias, y = t > 0 ? t : slope t; mean and var are those
// of each segment's rows.
//
// Three passes over memory: the statistics read x; forward reads x and writes y; the vjp reads x
// and gy for its sums, and again to write gx. Every second pass runs from the last block to the
// first, so that it finds in the cache what the first pass left there. t, and with it the slope of
// the activation, is computed anew from x: no mask and no normalised x is kept.
//
// Traffic, bytes an element (float): statistics 4, forward 8, vjp 20. All arithmetic is double,
// which hides behind it.
//
// Numerics: ../reduce/moments.hpp.
#include "batch_norm.hpp"

#include "../reduce/moments.hpp"

namespace TG_ISA {
namespace {

// The activation; each gets a loop of its own.
enum { NONE, RELU, LEAKY };
template <int act>
struct Act {
  static constexpr int value = act;
};

// Call use(Act<...>()) with the activation of a slope.
template <class Use>
void with_act(double slope, const Use& use) {
  if (slope == 1) return use(Act<NONE>());
  if (slope == 0) return use(Act<RELU>());
  use(Act<LEAKY>());
}

template <int act>
TG_INLINE VD activate(VD t, VD slope) {
  if constexpr (act == NONE) return t;
  if constexpr (act == RELU) return t <= 0 ? VD{} : t;  // not slope t: 0 times -Inf is NaN
  return t > 0 ? t : t * slope;
}

// g times the activation's derivative at t, which is `slope` where t is no number.
template <int act>
TG_INLINE VD pull(VD g, VD t, VD slope) {
  if constexpr (act == NONE) return g;
  return t > 0 ? g : g * slope;
}

// Rows of p.width, an entry a column; the vjp's last three are set after its sums.
struct Operands {
  double *mean, *scale, *shift;  // t = (x - mean) scale + shift
  double *g_mean, *back;         // gx = scale (g - g_mean) + back (x - mean)
};

struct Workspace {
  Operands of;
  double* partial;  // blocks x 2 x channels
  double* scratch;  // slots x 4 x width

  Workspace(const BatchNormShape& s, const Columns& p) {
    double* at = static_cast<double*>(s.workspace);
    of = {at, at + p.width, at + 2 * p.width, at + 3 * p.width, at + 4 * p.width};
    partial = at + 5 * p.width;
    scratch = partial + 4 * p.channels * p.blocks;
  }
  double* of_thread(const Columns& p) const { return scratch + 4 * p.width * tg_thread_index(); }
};

double inv_std(double var, double eps) { return 1 / __builtin_sqrt(var + eps); }

// t of n <= lanes elements at x, column j: the same bits wherever it is computed.
template <class T>
TG_INLINE VD normalised(const Operands& of, const T* x, long j, long n, VD* d) {
  *d = load_group(x, n) - load(of.mean + j);
  return *d * load(of.scale + j) + load(of.shift + j);
}

template <class T>
void set_operands(const BatchNormShape& s, const Columns& p, const T* weight, const T* bias,
                  const double* mean, const double* var, const Operands& of) {
  for (long c = 0; c < p.channels; ++c) {
    of.mean[c] = mean[c];
    of.scale[c] = (double)weight[c] * inv_std(var[c], s.eps);
    of.shift[c] = (double)bias[c];
  }
  repeat_columns(of.mean, p), repeat_columns(of.scale, p), repeat_columns(of.shift, p);
}

template <class T>
void stats(const BatchNormShape& s, const Columns& p, const T* x, double* mean, double* var) {
  Workspace ws(s, p);
  parallel_for_on(s.slots, p.blocks, 1, [&](long begin, long end) {
    for (long b = begin; b < end; ++b) {
      const long start = b * p.block, size = min_of(p.block, p.size - start);
      block_moments(x + start, size, p, moments_at(ws.of_thread(p), p.width),
                    moments_at(ws.partial + 4 * p.channels * b, p.channels));
    }
  });
  Moments total = moments_at(ws.of_thread(p), p.width);
  combine_blocks(ws.partial, p, total, 0, p.channels);
  for (long c = 0; c < p.channels; ++c)
    mean[c] = total.mean[c], var[c] = total.m2[c] / (double)s.rows;
}

template <int act, class T>
void forward(const BatchNormShape& s, const Columns& p, const Operands& of, const T* x, T* y) {
  const VD slope = splat(s.slope);
  parallel_for(p.blocks, 1, [&](long begin, long end) {
    for (long b = begin; b < end; ++b) {
      const long start = (p.blocks - 1 - b) * p.block, size = min_of(p.block, p.size - start);
      for_each_group(size, p.width, [&](long i, long j, long n) {
        VD d, t = normalised(of, x + start + i, j, n, &d);
        store_group(y + start + i, activate<act>(t, slope), n);
      });
    }
  });
}

// For each block and channel the sums of g = act'(t) gy and of g (x - mean).
template <int act, class T>
void sums(const BatchNormShape& s, const Columns& p, const Workspace& ws, const T* x, const T* gy) {
  const VD slope = splat(s.slope);
  parallel_for_on(s.slots, p.blocks, 1, [&](long begin, long end) {
    double *sum_g = ws.of_thread(p), *sum_gd = sum_g + p.width;
    for (long b = begin; b < end; ++b) {
      const long start = b * p.block, size = min_of(p.block, p.size - start);
      fill(sum_g, 2 * p.width, 0);
      for_each_four(size, p.width, [&](auto rows, long i, long j, long n) {
        VD all_g = load(sum_g + j), all_gd = load(sum_gd + j);
#pragma GCC unroll 4
        for (int r = 0; r < rows.count; ++r, i += p.width) {
          VD d, t = normalised(ws.of, x + start + i, j, n, &d);
          VD g = pull<act>(load_group(gy + start + i, n), t, slope);
          all_g += g, all_gd += g * d;
        }
        store(sum_g + j, all_g), store(sum_gd + j, all_gd);
      });
      fold_columns(sum_g, p), fold_columns(sum_gd, p);
      double* out = ws.partial + 2 * p.channels * b;
      for (long c = 0; c < p.channels; ++c) out[c] = sum_g[c], out[p.channels + c] = sum_gd[c];
    }
  });
}

// With g = act'(t) gy and d = x - mean:
//   gx = weight / std * (g - mean(g) - x_hat * mean(g * x_hat))
//      = scale * (g - mean(g)) + back * d, back = -scale / std^2 * mean(g * d)
// Adds this segment's part to gbias and gweight, which are doubles.
template <int act, class T>
void vjp(const BatchNormShape& s, const Columns& p, const Workspace& ws, const double* var,
         const T* x, const T* gy, T* gx, double* gweight, double* gbias) {
  sums<act>(s, p, ws, x, gy);
  const Operands& of = ws.of;
  const double rows = (double)s.rows;
  for (long c = 0; c < p.channels; ++c) {
    double g = 0, gd = 0;
    for (long b = 0; b < p.blocks; ++b) {
      g += ws.partial[2 * p.channels * b + c];
      gd += ws.partial[2 * p.channels * b + p.channels + c];
    }
    const double inv = inv_std(var[c], s.eps);
    gbias[c] += g, gweight[c] += gd * inv;
    of.g_mean[c] = g / rows;
    of.back[c] = -of.scale[c] * inv * inv * (gd / rows);
  }
  repeat_columns(of.g_mean, p), repeat_columns(of.back, p);
  const VD slope = splat(s.slope);
  parallel_for(p.blocks, 1, [&](long begin, long end) {
    for (long b = begin; b < end; ++b) {
      const long start = (p.blocks - 1 - b) * p.block, size = min_of(p.block, p.size - start);
      for_each_group(size, p.width, [&](long i, long j, long n) {
        VD d, t = normalised(of, x + start + i, j, n, &d);
        VD g = pull<act>(load_group(gy + start + i, n), t, slope) - load(of.g_mean + j);
        store_group(gx + start + i, load(of.scale + j) * g + load(of.back + j) * d, n);
      });
    }
  });
}

template <class T>
void stats_of_all(const BatchNormShape& s, const T* x, double* mean, double* var) {
  const Columns p = plan_columns(s.rows, s.channels);
  for (long i = 0; i < s.segments; ++i)
    stats(s, p, x + i * p.size, mean + i * s.channels, var + i * s.channels);
}

template <class T>
void forward_of_all(const BatchNormShape& s, const T* x, const T* weight, const T* bias,
                    const double* mean, const double* var, T* y) {
  const Columns p = plan_columns(s.rows, s.channels);
  const Workspace ws(s, p);
  for (long i = s.segments - 1; i >= 0; --i) {
    set_operands(s, p, weight, bias, mean + i * s.channels, var + i * s.channels, ws.of);
    with_act(s.slope,
             [&](auto act) { forward<act.value>(s, p, ws.of, x + i * p.size, y + i * p.size); });
  }
}

template <class T>
void vjp_of_all(const BatchNormShape& s, const T* x, const T* weight, const T* bias, const T* gy,
                const double* mean, const double* var, T* gx, T* gweight, T* gbias) {
  const Columns p = plan_columns(s.rows, s.channels);
  const Workspace ws(s, p);
  double* gw = ws.scratch + 4 * p.width * s.slots;
  double* gb = gw + s.channels;
  fill(gw, 2 * s.channels, 0);
  for (long i = 0; i < s.segments; ++i) {
    const double* segment_var = var + i * s.channels;
    set_operands(s, p, weight, bias, mean + i * s.channels, segment_var, ws.of);
    with_act(s.slope, [&](auto act) {
      vjp<act.value>(s, p, ws, segment_var, x + i * p.size, gy + i * p.size, gx + i * p.size, gw,
                     gb);
    });
  }
  for (long c = 0; c < s.channels; ++c) gweight[c] = (T)gw[c], gbias[c] = (T)gb[c];
}

}  // namespace

size_t batch_norm_workspace(const BatchNormShape& s) {
  const Columns p = plan_columns(s.rows, s.channels);
  return sizeof(double) *
         (size_t)(p.width * (5 + 4 * s.slots) + 4 * p.channels * p.blocks + 2 * p.channels);
}

void batch_norm_stats(const BatchNormShape& s, const void* x, double* mean, double* var) {
  if (s.is_double) return stats_of_all(s, (const double*)x, mean, var);
  stats_of_all(s, (const float*)x, mean, var);
}

void batch_norm(const BatchNormShape& s, const void* x, const void* weight, const void* bias,
                const double* mean, const double* var, void* y) {
  if (s.is_double)
    return forward_of_all(s, (const double*)x, (const double*)weight, (const double*)bias, mean,
                          var, (double*)y);
  forward_of_all(s, (const float*)x, (const float*)weight, (const float*)bias, mean, var,
                 (float*)y);
}

void batch_norm_vjp(const BatchNormShape& s, const void* x, const void* weight, const void* bias,
                    const void* gy, const double* mean, const double* var, void* gx, void* gweight,
                    void* gbias) {
  if (s.is_double)
    return vjp_of_all(s, (const double*)x, (const double*)weight, (const double*)bias,
                      (const double*)gy, mean, var, (double*)gx, (double*)gweight, (double*)gbias);
  vjp_of_all(s, (const float*)x, (const float*)weight, (const float*)bias, (const float*)gy, mean,
             var, (float*)gx, (float*)gweight, (float*)gbias);
}

}  // namespace TG_ISA
