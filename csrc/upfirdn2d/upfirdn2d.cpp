// y[n,p,q,:] = sum_{r,s} x[n, (p down + r - top) / up, (q down + s - left) / up, :] f[r,s]
//
// over the taps at which the division has no remainder and the pixel exists. The zeros between
// pixels are never stored and never multiplied: output p meets taps r0, r0 + up, ... alone, whose
// pixels are neighbours (the filter falls into up * up phases).
//
// Mapping. A task is an output row (n, p). Within it a block of channels stays in registers over
// all taps, so each output is summed by one thread in the order (r, s), in the type of x. The
// gradient of the filter has few outputs and long sums: rows are cut into at most 256 blocks, a
// number fixed by the shape, each adds up in double, and the blocks are added in order.
//
// Traffic: R S / (up_h up_w) loads from L1 for each output, C of them side by side. Tails: the
// channels beyond the last whole vector by threes (RGB), then one at a time. Reference:
// kernels/upfirdn2d/reference.py.
#include "upfirdn2d.hpp"

#include "../reduce/columns.hpp"

namespace TG_ISA {
namespace {

enum { kMaxRowBlocks = 256, kRowGrain = 4 };

// The taps that meet a pixel along one axis: tap `first`, then every up-th, `count` in all; pixel
// `pixel` and its successors.
struct Taps {
  long first, pixel, count;
};

TG_INLINE Taps taps_of(long at, long up, long before, long size, long taps) {
  long first = (before - at) % up;  // at = p down; first + at - before is a multiple of up
  if (first < 0) first += up;
  long pixel = (at + first - before) / up;
  if (pixel < 0) first -= pixel * up, pixel = 0;
  long reach = first < taps ? (taps - first + up - 1) / up : 0;
  return {first, pixel, max_of(0, min_of(reach, size - pixel))};
}

// `B` vectors of channels of one output pixel.
template <int B, class T>
TG_INLINE void filter_vectors(const UpfirdnArgs& a, const T* x, const T* f, Taps rows, Taps cols,
                              T* y) {
  typedef typename Simd<T>::V V;
  constexpr int lanes = Simd<T>::lanes;
  V sum[B] = {};
  for (long i = 0; i < rows.count; ++i)
    for (long j = 0; j < cols.count; ++j) {
      V tap = splat(f[i * a.up_h * a.f_r + j * a.up_w * a.f_s]);
      const T* pixel = x + i * a.x_h + j * a.x_w;
      for (int b = 0; b < B; ++b) sum[b] += load(pixel + b * lanes) * tap;
    }
  for (int b = 0; b < B; ++b) store(y + b * lanes, sum[b]);
}

// The `few` channels of one output pixel of an image, few enough for scalar registers.
template <int few, class T>
TG_INLINE void filter_scalars(const UpfirdnArgs& a, const T* x, const T* f, Taps rows, Taps cols,
                              T* y) {
  T sum[few] = {};
  for (long i = 0; i < rows.count; ++i)
    for (long j = 0; j < cols.count; ++j) {
      const T tap = f[i * a.up_h * a.f_r + j * a.up_w * a.f_s];
      const T* pixel = x + i * a.x_h + j * a.x_w;
      for (int c = 0; c < few; ++c) sum[c] += pixel[c] * tap;
    }
  for (int c = 0; c < few; ++c) y[c] = sum[c];
}

template <class T>
TG_INLINE void filter_pixel(const UpfirdnArgs& a, const T* x, const T* f, Taps rows, Taps cols,
                            T* y) {
  constexpr int lanes = Simd<T>::lanes;
  long c = 0;
  for (; c + 4 * lanes <= a.C; c += 4 * lanes) filter_vectors<4>(a, x + c, f, rows, cols, y + c);
  for (; c + lanes <= a.C; c += lanes) filter_vectors<1>(a, x + c, f, rows, cols, y + c);
  for (; c + 3 <= a.C; c += 3) filter_scalars<3>(a, x + c, f, rows, cols, y + c);
  for (; c < a.C; ++c) filter_scalars<1>(a, x + c, f, rows, cols, y + c);
}

// The taps of all columns, which all rows share: the divisions cost more than a pixel.
void fill_columns(const UpfirdnArgs& a, Taps* columns) {
  for (long q = 0; q < a.Q; ++q) {
    columns[q] = taps_of(q * a.down_w, a.up_w, a.left, a.W, a.S);
    if (columns[q].count == 0) columns[q] = {0, 0, 0};  // point at nothing outside x and f
  }
}

template <class T>
void forward(const UpfirdnArgs& a, Taps* columns) {
  fill_columns(a, columns);
  parallel_for(a.N * a.P, kRowGrain, [&](long begin, long end) {
    for (long i = begin; i < end; ++i) {
      long n = i / a.P, p = i % a.P;
      Taps rows = taps_of(p * a.down_h, a.up_h, a.top, a.H, a.R);
      if (rows.count == 0) rows = {0, 0, 0};
      const T* x = (const T*)a.x + n * a.x_n + rows.pixel * a.x_h;
      const T* f = (const T*)a.f + rows.first * a.f_r;
      T* y = (T*)a.out + i * a.Q * a.C;
      for (long q = 0; q < a.Q; ++q) {
        const Taps cols = columns[q];
        filter_pixel(a, x + cols.pixel * a.x_w, f + cols.first * a.f_s, rows, cols, y + q * a.C);
      }
    }
  });
}

template <class T>
double dot(const T* a, const T* b, long n) {
  VD sum = {};
  for (long i = 0; i < n; i += kLanesD) {
    long left = min_of(kLanesD, n - i);
    sum += load_group(a + i, left) * load_group(b + i, left);
  }
  return sum_lanes<double>(sum);
}

// Add the products of cotangent row (n, p) to sums (R, S).
template <class T>
void correlate_row(const UpfirdnArgs& a, const Taps* columns, long n, long p, double* sums) {
  Taps rows = taps_of(p * a.down_h, a.up_h, a.top, a.H, a.R);
  for (long i = 0; i < rows.count; ++i) {
    const T* x = (const T*)a.x + n * a.x_n + (rows.pixel + i) * a.x_h;
    double* of_row = sums + (rows.first + i * a.up_h) * a.S;
    for (long q = 0; q < a.Q; ++q) {
      const T* y = (const T*)a.y + n * a.y_n + p * a.y_h + q * a.y_w;
      const Taps cols = columns[q];
      for (long j = 0; j < cols.count; ++j)
        of_row[cols.first + j * a.up_w] += dot(x + (cols.pixel + j) * a.x_w, y, a.C);
    }
  }
}

long row_blocks(const UpfirdnArgs& a) { return min_of(a.N * a.P, kMaxRowBlocks); }

template <class T>
void fgrad(const UpfirdnArgs& a, Taps* columns) {
  long rows = a.N * a.P, blocks = row_blocks(a), taps = a.R * a.S;
  double* partial = (double*)(columns + a.Q);
  fill_columns(a, columns);
  parallel_for(blocks, 1, [&](long begin, long end) {
    for (long b = begin; b < end; ++b) {
      double* sums = partial + b * taps;
      fill(sums, taps, 0);
      for (long i = b * rows / blocks; i < (b + 1) * rows / blocks; ++i)
        correlate_row<T>(a, columns, i / a.P, i % a.P, sums);
    }
  });
  for (long t = 0; t < taps; ++t) {
    double sum = 0;
    for (long b = 0; b < blocks; ++b) sum += partial[b * taps + t];
    ((T*)a.out)[t] = (T)sum;
  }
}

}  // namespace

size_t upfirdn2d_bytes(const UpfirdnArgs& a) { return sizeof(Taps) * (size_t)a.Q; }

void upfirdn2d(const UpfirdnArgs& a, void* workspace) {
  a.is_double ? forward<double>(a, (Taps*)workspace) : forward<float>(a, (Taps*)workspace);
}

size_t upfirdn2d_fgrad_bytes(const UpfirdnArgs& a) {
  return sizeof(Taps) * (size_t)a.Q + sizeof(double) * (size_t)(row_blocks(a) * a.R * a.S);
}

void upfirdn2d_fgrad(const UpfirdnArgs& a, void* workspace) {
  a.is_double ? fgrad<double>(a, (Taps*)workspace) : fgrad<float>(a, (Taps*)workspace);
}

}  // namespace TG_ISA
