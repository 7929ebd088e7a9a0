// Mean and variance of the channels of a matrix (rows, channels), and the sums of a cotangent
// beside them: what batch_norm takes over the whole batch and group_norm over every sample.
//
// Numerics: within a block that fits the L2 cache, the block's mean is found first and the moments
// are taken about it in a second look at the block; blocks are combined by the exact formula for a
// shifted centre (Chan, Golub, LeVeque 1979). A large mean costs no digits.
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

// Moments of one block about its own mean; gy may be null. `s` is scratch of p.width a row.
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
    if (!gy) return;
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
