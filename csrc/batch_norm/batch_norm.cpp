// y = weight * (x - mean) / sqrt(var + eps) + bias, statistics over the rows of each channel.
//
// Forward: one pass over memory for the statistics, one to normalise. vjp: one pass for all four
// sums (statistics of x, sum of gy, of gy * x), one for gx. All arithmetic is double, which hides
// behind the memory traffic: 12 bytes an element forward, 20 in the vjp (float).
//
// Numerics: ../reduce/moments.hpp.
#include "batch_norm.hpp"

#include "../reduce/moments.hpp"

namespace TG_ISA {
namespace {

struct Workspace {
  Moments total;    // rows of `width`, since the second pass reads them repeated
  double* partial;  // blocks x 4 x channels
  double* scratch;  // slots x 4 x width

  Workspace(const BatchNormShape& s, const Columns& p) {
    double* at = static_cast<double*>(s.workspace);
    total = moments_at(at, p.width);
    partial = at + 4 * p.width;
    scratch = partial + 4 * p.channels * p.blocks;
  }
  Moments of_block(long block, const Columns& p) const {
    return moments_at(partial + 4 * p.channels * block, p.channels);
  }
  Moments of_thread(const Columns& p) const {
    return moments_at(scratch + 4 * p.width * tg_thread_index(), p.width);
  }
};

// Add up the blocks, moving each one's moments to the common mean.
void combine(const Workspace& ws, const Columns& p) {
  parallel_for(p.channels, 64,
               [&](long begin, long end) { combine_blocks(ws.partial, p, ws.total, begin, end); });
}

template <class T>
void moments(const BatchNormShape& s, const Columns& p, const Workspace& ws, const T* x,
             const T* gy) {
  parallel_for_on(s.slots, p.blocks, 1, [&](long begin, long end) {
    for (long b = begin; b < end; ++b) {
      long start = b * p.block, size = min_of(p.block, p.size - start);
      block_moments(x + start, gy ? gy + start : nullptr, size, p, ws.of_thread(p),
                    ws.of_block(b, p));
    }
  });
  combine(ws, p);
}

double inv_std(const Workspace& ws, long c, double rows, double eps) {
  return 1 / __builtin_sqrt(ws.total.m2[c] / rows + eps);
}

template <class T>
void stats(const BatchNormShape& s, const T* x, T* mean, T* var) {
  Columns p = plan_columns(s.rows, s.channels);
  Workspace ws(s, p);
  moments<T>(s, p, ws, x, nullptr);
  for (long c = 0; c < p.channels; ++c) {
    mean[c] = (T)ws.total.mean[c];
    var[c] = (T)(ws.total.m2[c] / (double)s.rows);
  }
}

template <class T>
void forward(const BatchNormShape& s, const T* x, const T* weight, const T* bias, T* y) {
  Columns p = plan_columns(s.rows, s.channels);
  Workspace ws(s, p);
  moments<T>(s, p, ws, x, nullptr);
  double *mean = ws.total.mean, *scale = ws.total.g, *shift = ws.total.gd;
  for (long c = 0; c < p.channels; ++c) {
    scale[c] = (double)weight[c] * inv_std(ws, c, (double)s.rows, s.eps);
    shift[c] = (double)bias[c];
  }
  repeat_columns(mean, p), repeat_columns(scale, p), repeat_columns(shift, p);
  parallel_for(p.size, p.block, [&](long begin, long end) {
    for_each_group(end - begin, p.width, [&](long i, long j, long n) {
      VD d = load_group(x + begin + i, n) - load(mean + j);
      store_group(y + begin + i, d * load(scale + j) + load(shift + j), n);
    });
  });
}

// gx = weight * inv_std * (gy - mean(gy) - x_hat * mean(gy * x_hat))
//    = a * (gy - mean(gy)) + b * (x - mean), b = -a * inv_std^2 * mean(gy * (x - mean))
template <class T>
void vjp(const BatchNormShape& s, const T* x, const T* weight, const T* gy, T* gx, T* gweight,
         T* gbias) {
  Columns p = plan_columns(s.rows, s.channels);
  Workspace ws(s, p);
  moments<T>(s, p, ws, x, gy);
  double rows = (double)s.rows;
  double *mean = ws.total.mean, *a = ws.total.m2, *g_mean = ws.total.g, *b = ws.total.gd;
  for (long c = 0; c < p.channels; ++c) {
    double inv = inv_std(ws, c, rows, s.eps), gd = ws.total.gd[c];
    gbias[c] = (T)g_mean[c];
    gweight[c] = (T)(gd * inv);
    a[c] = (double)weight[c] * inv;
    g_mean[c] /= rows;
    b[c] = -a[c] * inv * inv * (gd / rows);
  }
  repeat_columns(mean, p), repeat_columns(a, p), repeat_columns(g_mean, p), repeat_columns(b, p);
  parallel_for(p.size, p.block, [&](long begin, long end) {
    for_each_group(end - begin, p.width, [&](long i, long j, long n) {
      VD d = load_group(x + begin + i, n) - load(mean + j);
      VD g = load_group(gy + begin + i, n) - load(g_mean + j);
      store_group(gx + begin + i, load(a + j) * g + load(b + j) * d, n);
    });
  });
}

}  // namespace

size_t batch_norm_workspace(const BatchNormShape& s) {
  Columns p = plan_columns(s.rows, s.channels);
  return sizeof(double) * 4 * (size_t)(p.width * (1 + s.slots) + p.channels * p.blocks);
}

void batch_norm_stats(const BatchNormShape& s, const void* x, void* mean, void* var) {
  if (s.is_double) return stats(s, (const double*)x, (double*)mean, (double*)var);
  stats(s, (const float*)x, (float*)mean, (float*)var);
}

void batch_norm(const BatchNormShape& s, const void* x, const void* weight, const void* bias,
                void* y) {
  if (s.is_double)
    return forward(s, (const double*)x, (const double*)weight, (const double*)bias, (double*)y);
  forward(s, (const float*)x, (const float*)weight, (const float*)bias, (float*)y);
}

void batch_norm_vjp(const BatchNormShape& s, const void* x, const void* weight, const void* gy,
                    void* gx, void* gweight, void* gbias) {
  if (s.is_double)
    return vjp(s, (const double*)x, (const double*)weight, (const double*)gy, (double*)gx,
               (double*)gweight, (double*)gbias);
  vjp(s, (const float*)x, (const float*)weight, (const float*)gy, (float*)gx, (float*)gweight,
      (float*)gbias);
}

}  // namespace TG_ISA
