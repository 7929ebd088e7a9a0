// Average pooling and its adjoint, max pooling, and the gather and scatter by its index.
// Reference: kernels/pool2d/reference.py.
//
//     avg_pool2d          y[p, q] = mean of x over window (p, q)
//     avg_pool2d_adjoint  gx[h, w] = sum of gy / count over the windows that hold (h, w)
//     max_pool2d          y[p, q] = the largest x of window (p, q), index[p, q] = where it lies
//     gather2d            y[p, q] = x[index[p, q]]
//     scatter2d           gx[e] = sum of gy over the picks (p, q) with index[p, q] = e
//
// A thread an element of the output and stride, channels innermost (tg_pixels.cuh). Windows that
// overlap are read from the L1 or L2 after the first time. Sums run along the rows of a window, the
// adjoint's along the rows of windows. Traffic: each array once while a window's rows stay in the
// L2. Tails: windows are cut at the border, so that nothing outside of the image is read.
//
// scatter2d knows nothing of its picks beforehand, and adds what meets in one element without
// atomics. A thread owns the elements first .. end of one plane (n, c), a slab; it looks through
// all picks of the plane in order and adds those that fall into its slab. So the order of every sum
// is the picks', whatever the number of slabs, and only the index is read once a slab.
#include "common/tg_pixels.cuh"

struct Span {  // first .. end - 1
  int first, end;
};

// The elements of window k, without those of the padding.
__device__ __forceinline__ Span elements(const TgAxis& a, int k) {
  int first = k * a.stride - a.pad;
  return {max(first, 0), min(first + a.taps, a.size)};
}

// The windows that hold element i.
__device__ __forceinline__ Span holders(const TgAxis& a, int i) {
  int past = i + a.pad - a.taps;  // a window that starts here ends just before i
  return {past < 0 ? 0 : past / a.stride + 1, min((i + a.pad) / a.stride + 1, a.windows)};
}

__device__ __forceinline__ float nan_value() { return __int_as_float(0x7fc00000); }

TG_KERNEL __launch_bounds__(256)
    avg_pool2d(const float* __restrict__ x, float* __restrict__ y, int count, int channels,
               int include_pad, TgWindows shape) {
  int stride = static_cast<int>(global_threads());
  for (int i = static_cast<int>(global_thread()); i < count; i += stride) {
    Pixel at(i, shape.h.windows, shape.w.windows, channels);
    Span rows = elements(shape.h, at.h), columns = elements(shape.w, at.w);
    float sum = 0;
    for (int h = rows.first; h < rows.end; ++h) {
      const float* row = x + (at.n * shape.h.size + h) * shape.w.size * channels + at.c;
      for (int w = columns.first; w < columns.end; ++w) sum += row[w * channels];
    }
    int met = (rows.end - rows.first) * (columns.end - columns.first);
    y[i] = sum / static_cast<float>(include_pad ? shape.h.taps * shape.w.taps : met);
  }
}

TG_KERNEL __launch_bounds__(256)
    avg_pool2d_adjoint(const float* __restrict__ gy, float* __restrict__ gx, int count,
                       int channels, int include_pad, TgWindows shape) {
  int stride = static_cast<int>(global_threads());
  for (int i = static_cast<int>(global_thread()); i < count; i += stride) {
    Pixel at(i, shape.h.size, shape.w.size, channels);
    Span rows = holders(shape.h, at.h), columns = holders(shape.w, at.w);
    float sum = 0;
    for (int p = rows.first; p < rows.end; ++p) {
      const float* row = gy + (at.n * shape.h.windows + p) * shape.w.windows * channels + at.c;
      Span high = elements(shape.h, p);
      for (int q = columns.first; q < columns.end; ++q) {
        Span wide = elements(shape.w, q);
        int met = (high.end - high.first) * (wide.end - wide.first);
        sum += include_pad ? row[q * channels] : row[q * channels] / static_cast<float>(met);
      }
    }
    gx[i] = include_pad ? sum / static_cast<float>(shape.h.taps * shape.w.taps) : sum;
  }
}

// The first of equal maxima wins, the last NaN wins over numbers.
TG_KERNEL __launch_bounds__(256)
    max_pool2d(const float* __restrict__ x, float* __restrict__ y, long long* __restrict__ index,
               int count, int channels, TgWindows shape) {
  int stride = static_cast<int>(global_threads());
  for (int i = static_cast<int>(global_thread()); i < count; i += stride) {
    Pixel at(i, shape.h.windows, shape.w.windows, channels);
    Span rows = elements(shape.h, at.h), columns = elements(shape.w, at.w);
    int image = at.n * shape.h.size * shape.w.size;
    int where = rows.first * shape.w.size + columns.first;
    float best = x[(image + where) * channels + at.c];
    for (int h = rows.first; h < rows.end; ++h) {
      for (int w = columns.first; w < columns.end; ++w) {
        int here = h * shape.w.size + w;
        float value = x[(image + here) * channels + at.c];
        if (value > best || value != value) {
          best = value;
          where = here;
        }
      }
    }
    y[i] = best;
    index[i] = where;
  }
}

// An index outside of the image gives NaN: the GPU can't raise.
TG_KERNEL __launch_bounds__(256)
    gather2d(const float* __restrict__ x, const long long* __restrict__ index,
             float* __restrict__ y, int count, int channels, int pixels, int picks) {
  int stride = static_cast<int>(global_threads());
  for (int i = static_cast<int>(global_thread()); i < count; i += stride) {
    Pixel at(i, 1, picks, channels);
    long long pick = index[i];
    bool inside = pick >= 0 && pick < pixels;
    y[i] = inside ? x[(at.n * pixels + static_cast<int>(pick)) * channels + at.c] : nan_value();
  }
}

// `threads` = N slabs C threads that work; an index outside of the image is in no slab.
TG_KERNEL __launch_bounds__(256)
    scatter2d(const float* __restrict__ gy, const long long* __restrict__ index,
              float* __restrict__ gx, int threads, int channels, int pixels, int picks, int slabs) {
  int i = static_cast<int>(global_thread());
  if (i >= threads) return;
  Pixel at(i, 1, slabs, channels);
  int size = (pixels + slabs - 1) / slabs;
  int first = at.w * size, end = min(first + size, pixels);
  float* plane = gx + at.n * pixels * channels + at.c;
  for (int e = first; e < end; ++e) plane[e * channels] = 0;
  int base = at.n * picks * channels + at.c;
#pragma unroll 4
  for (int k = 0; k < picks; ++k) {
    long long pick = index[base + k * channels];
    if (pick >= first && pick < end)
      plane[static_cast<int>(pick) * channels] += gy[base + k * channels];
  }
}
