// Mean and variance of the channels of a matrix (rows, channels), and the sums of a cotangent
// beside them: what batch_norm takes over the whole batch and group_norm over every sample.
//
// Numerics: within a block that fits the L2 cache, moments are taken about a centre near the
// block's mean; blocks are combined by the exact formula for a shifted centre (Chan, Golub, LeVeque
// 1979). A large mean costs no digits.
#pragma once

#include "columns.hpp"

namespace TG_ISA {

// One value a channel.
struct Moments {
  double *mean, *m2, *g, *gd;  // mean; sums of (x - mean)^2, gy, gy * (x - mean)
};

// Four rows of `length` doubles at `at`.
TG_INLINE Moments moments_at(double* at, long length) {
  return {at, at + length, at + 2 * length, at + 3 * length};
}

// Mean and m2 of one block, in one look at it: sums of d = x - p and of d^2 about a pivot p, the
// mean of the block's first kPivotRows wide rows. `s` is scratch of p.width a row.
//
//   mean = p + sum d / n        m2 = sum d^2 - (sum d)^2 / n
//
// The subtraction cancels little: the k rows behind p are in the block, so m2 >= k (mean - p)^2 and
// sum d^2 = m2 + n (mean - p)^2 <= (1 + n / k) m2, where n / k is 20 or so at most.
enum { kPivotRows = 16 };

template <class T>
static void block_moments(const T* x, long size, const Columns& p, Moments s, Moments out) {
  fill(s.mean, 3 * p.width, 0);
  const long first = min_of(size, kPivotRows * p.width);
  add_columns(x, first, p.width, s.mean);
  fold_columns(s.mean, p);
  for (long c = 0; c < p.channels; ++c) s.mean[c] /= (double)(first / p.channels);
  repeat_columns(s.mean, p);
  double *sum = s.g, *squares = s.m2;
  for_each_four(size, p.width, [&](auto rows, long i, long j, long n) {
    const VD pivot = load(s.mean + j);
    VD d1 = {}, d2 = {};
#pragma GCC unroll 4
    for (int r = 0; r < rows.count; ++r) {
      VD d = load_group(x + i + r * p.width, n) - pivot;
      if (n < kLanesD)  // lanes past the end hold -pivot, not data
        for (long k = n; k < kLanesD; ++k) d[k] = 0;
      d1 += d, d2 += d * d;
    }
    store(sum + j, load(sum + j) + d1);
    store(squares + j, load(squares + j) + d2);
  });
  fold_columns(sum, p), fold_columns(squares, p);
  const double rows = (double)(size / p.channels);
  for (long c = 0; c < p.channels; ++c) {
    out.mean[c] = s.mean[c] + sum[c] / rows;
    out.m2[c] = squares[c] - sum[c] * (sum[c] / rows);
    out.m2[c] = out.m2[c] < 0 ? 0 : out.m2[c];
    out.g[c] = out.gd[c] = 0;
  }
}

// Moments of one block about its own mean, with those of a cotangent.
template <class T>
static void block_moments(const T* x, const T* gy, long size, const Columns& p, Moments s,
                          Moments out) {
  fill(s.mean, 4 * p.width, 0);
  add_columns(x, size, p.width, s.mean);
  fold_columns(s.mean, p);
  long rows = size / p.channels;
  for (long c = 0; c < p.channels; ++c) out.mean[c] = s.mean[c] = s.mean[c] / (double)rows;
  repeat_columns(s.mean, p);
  for_each_group(size, p.width, [&](long i, long j, long n) {
    VD d = load_group(x + i, n) - load(s.mean + j);
    if (n < kLanesD)  // lanes past the end hold -mean, not data
      for (long k = n; k < kLanesD; ++k) d[k] = 0;
    store(s.m2 + j, load(s.m2 + j) + d * d);
    VD g = load_group(gy + i, n);
    store(s.g + j, load(s.g + j) + g);
    store(s.gd + j, load(s.gd + j) + g * d);
  });
  fold_columns(s.m2, p), fold_columns(s.g, p), fold_columns(s.gd, p);
  for (long c = 0; c < p.channels; ++c) out.m2[c] = s.m2[c], out.g[c] = s.g[c], out.gd[c] = s.gd[c];
}

// Add up the blocks for channels [begin, end), moving each one's moments to the common mean.
// `partial` holds p.blocks x 4 x p.channels.
TG_INLINE void combine_blocks(double* partial, const Columns& p, Moments t, long begin, long end) {
  long rows = p.size / p.channels, block_rows = p.block / p.channels;
  for (long c = begin; c < end; ++c) t.mean[c] = t.m2[c] = t.g[c] = t.gd[c] = 0;
  for (long b = 0; b < p.blocks; ++b) {
    double weight = (double)min_of(block_rows, rows - b * block_rows) / (double)rows;
    Moments of = moments_at(partial + 4 * p.channels * b, p.channels);
    for (long c = begin; c < end; ++c) t.mean[c] += weight * of.mean[c];
  }
  for (long b = 0; b < p.blocks; ++b) {
    double count = (double)min_of(block_rows, rows - b * block_rows);
    Moments of = moments_at(partial + 4 * p.channels * b, p.channels);
    for (long c = begin; c < end; ++c) {
      double shift = of.mean[c] - t.mean[c];
      t.m2[c] += of.m2[c] + count * shift * shift;
      t.g[c] += of.g[c];
      t.gd[c] += of.gd[c] + shift * of.g[c];
    }
  }
}

}  // namespace TG_ISA
