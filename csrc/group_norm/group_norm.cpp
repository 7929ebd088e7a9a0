// y = weight * (x - mean) / sqrt(var + eps) + bias, statistics over each group of channels of each
// sample. With one channel a group this is instance normalisation.
//
// A sample is a matrix (rows, channels), rows = H * W. First pass: moments of every *channel* of
// every block of every sample. Then, on small arrays, blocks are combined to samples and channels
// to groups, by the formula for a shifted centre both times (../reduce/moments.hpp). Last pass: one
// multiply-add or two an element. All arithmetic is double, which hides behind the memory traffic:
// 12 bytes an element forward, 20 in the vjp (float).
//
// Threads share (sample, block) pairs; sums run in the order of blocks, channels and samples, so
// the bits do not depend on the number of threads.
#include "group_norm.hpp"

#include "../reduce/moments.hpp"

namespace TG_ISA {
namespace {

enum { kTotals = 6 };

// What is known of a sample after the first pass, one value a channel.
struct Totals {
  Moments of;              // mean of the group; m2 of the channel; gd about the group's mean
  double *inv_std, *lean;  // of the group; lean and level: gx = a * gy + lean * (x - mean) + level
  double* level() const { return of.m2; }
};

struct Workspace {
  Columns p;
  double* totals;   // samples x kTotals x channels
  double* partial;  // samples x blocks x 4 x channels
  double* scratch;  // slots x 4 x width

  explicit Workspace(const GroupNormShape& s) : p(plan_columns(s.rows, s.channels)) {
    totals = static_cast<double*>(s.workspace);
    partial = totals + kTotals * p.channels * s.samples;
    scratch = partial + 4 * p.channels * p.blocks * s.samples;
  }
  Totals of_sample(long n) const {
    double* at = totals + kTotals * p.channels * n;
    return {moments_at(at, p.channels), at + 4 * p.channels, at + 5 * p.channels};
  }
  double* of_block(long item) const { return partial + 4 * p.channels * item; }
  double* of_thread() const { return scratch + 4 * p.width * tg_thread_index(); }
};

// Call body(sample, start, size) for every block of every sample; elements are counted from the
// start of the array. Small samples are dealt out several at a time.
template <class Body>
void for_each_block(const GroupNormShape& s, const Columns& p, const Body& body) {
  long grain = max_of(1, kBlockElements / min_of(p.block, p.size));
  parallel_for_on(s.slots, s.samples * p.blocks, grain, [&](long begin, long end) {
    for (long item = begin; item < end; ++item) {
      long n = item / p.blocks, at = (item - n * p.blocks) * p.block;
      body(n, n * p.size + at, min_of(p.block, p.size - at), item == begin || at == 0);
    }
  });
}

// Gather the channels [first, last) of one sample to the group that they are.
template <class T>
void combine_group(const GroupNormShape& s, const T* weight, const Totals& t, long first,
                   long last) {
  double rows = (double)s.rows, count = rows * (double)(last - first);
  double mean = 0, m2 = 0, wg = 0, wgd = 0;
  for (long c = first; c < last; ++c) mean += t.of.mean[c];
  mean /= (double)(last - first);
  for (long c = first; c < last; ++c) {
    double shift = t.of.mean[c] - mean;
    m2 += t.of.m2[c] + rows * shift * shift;
    t.of.gd[c] += shift * t.of.g[c];
    wg += (double)weight[c] * t.of.g[c];
    wgd += (double)weight[c] * t.of.gd[c];
  }
  // one value alone is its own mean: x_hat is 0 whatever x is, and has no slope
  double inv_std = count > 1 ? 1 / __builtin_sqrt(m2 / count + s.eps) : 0;
  for (long c = first; c < last; ++c) {
    t.of.mean[c] = mean;
    t.inv_std[c] = inv_std;
    t.lean[c] = -inv_std * inv_std * inv_std * (wgd / count);
    t.level()[c] = -inv_std * (wg / count);
  }
}

template <class T>
void moments(const GroupNormShape& s, const Workspace& ws, const T* x, const T* gy,
             const T* weight) {
  const Columns& p = ws.p;
  for_each_block(s, p, [&](long n, long start, long size, bool) {
    long item = n * p.blocks + (start - n * p.size) / p.block;
    const Moments scratch = moments_at(ws.of_thread(), p.width);
    const Moments out = moments_at(ws.of_block(item), p.channels);
    if (gy) return block_moments(x + start, gy + start, size, p, scratch, out);
    block_moments(x + start, size, p, scratch, out);
  });
  long grain = max_of(1, kBlockElements / (p.blocks * p.channels)), each = s.channels / s.groups;
  parallel_for(s.samples, grain, [&](long begin, long end) {
    for (long n = begin; n < end; ++n) {
      Totals t = ws.of_sample(n);
      combine_blocks(ws.of_block(n * p.blocks), p, t.of, 0, p.channels);
      for (long c = 0; c < s.channels; c += each) combine_group(s, weight, t, c, c + each);
    }
  });
}

template <class T>
void forward(const GroupNormShape& s, const T* x, const T* weight, const T* bias, T* y) {
  Workspace ws(s);
  const Columns& p = ws.p;
  moments<T>(s, ws, x, nullptr, weight);
  for_each_block(s, p, [&](long n, long start, long size, bool is_new) {
    double *mean = ws.of_thread(), *scale = mean + p.width, *shift = scale + p.width;
    if (is_new) {
      Totals t = ws.of_sample(n);
      for (long c = 0; c < p.channels; ++c) {
        mean[c] = t.of.mean[c];
        scale[c] = (double)weight[c] * t.inv_std[c];
        shift[c] = (double)bias[c];
      }
      repeat_columns(mean, p), repeat_columns(scale, p), repeat_columns(shift, p);
    }
    for_each_group(size, p.width, [&](long i, long j, long k) {
      VD d = load_group(x + start + i, k) - load(mean + j);
      store_group(y + start + i, d * load(scale + j) + load(shift + j), k);
    });
  });
}

// gx = inv_std * (weight * gy - mean(weight * gy) - x_hat * mean(weight * gy * x_hat))
template <class T>
void write_gx(const GroupNormShape& s, const Workspace& ws, const T* x, const T* weight,
              const T* gy, T* gx) {
  const Columns& p = ws.p;
  for_each_block(s, p, [&](long n, long start, long size, bool is_new) {
    double *mean = ws.of_thread(), *a = mean + p.width, *lean = a + p.width;
    double* level = lean + p.width;
    if (is_new) {
      Totals t = ws.of_sample(n);
      for (long c = 0; c < p.channels; ++c) {
        mean[c] = t.of.mean[c], a[c] = (double)weight[c] * t.inv_std[c];
        lean[c] = t.lean[c], level[c] = t.level()[c];
      }
      repeat_columns(mean, p), repeat_columns(a, p), repeat_columns(lean, p);
      repeat_columns(level, p);
    }
    for_each_group(size, p.width, [&](long i, long j, long k) {
      VD d = load_group(x + start + i, k) - load(mean + j), g = load_group(gy + start + i, k);
      VD y = load(a + j) * g + (load(lean + j) * d + load(level + j));
      store_group(gx + start + i, y, k);
    });
  });
}

template <class T>
void vjp(const GroupNormShape& s, const T* x, const T* weight, const T* gy, T* gx, T* gweight,
         T* gbias) {
  Workspace ws(s);
  moments<T>(s, ws, x, gy, weight);
  write_gx(s, ws, x, weight, gy, gx);
  parallel_for(s.channels, 64, [&](long begin, long end) {
    for (long c = begin; c < end; ++c) {
      double of_weight = 0, of_bias = 0;
      for (long n = 0; n < s.samples; ++n) {
        Totals t = ws.of_sample(n);
        of_weight += t.of.gd[c] * t.inv_std[c];
        of_bias += t.of.g[c];
      }
      gweight[c] = (T)of_weight, gbias[c] = (T)of_bias;
    }
  });
}

}  // namespace

size_t group_norm_workspace(const GroupNormShape& s) {
  Columns p = plan_columns(s.rows, s.channels);
  size_t of_samples = (size_t)s.samples * (size_t)p.channels * (size_t)(kTotals + 4 * p.blocks);
  return sizeof(double) * (of_samples + (size_t)(4 * p.width * s.slots));
}

void group_norm(const GroupNormShape& s, const void* x, const void* weight, const void* bias,
                void* y) {
  if (s.is_double)
    return forward(s, (const double*)x, (const double*)weight, (const double*)bias, (double*)y);
  forward(s, (const float*)x, (const float*)weight, (const float*)bias, (float*)y);
}

void group_norm_vjp(const GroupNormShape& s, const void* x, const void* weight, const void* gy,
                    void* gx, void* gweight, void* gbias) {
  if (s.is_double)
    return vjp(s, (const double*)x, (const double*)weight, (const double*)gy, (double*)gx,
               (double*)gweight, (double*)gbias);
  vjp(s, (const float*)x, (const float*)weight, (const float*)gy, (float*)gx, (float*)gweight,
      (float*)gbias);
}

}  // namespace TG_ISA
