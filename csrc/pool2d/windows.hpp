// Where the windows of a pooling lie along one axis. Include only from per-CPU files.
#pragma once

#include "../common/simd.hpp"
#include "pool2d.hpp"

namespace TG_ISA {

TG_INLINE long max_of(long a, long b) { return a > b ? a : b; }
TG_INLINE long min_of(long a, long b) { return a < b ? a : b; }

struct Span {
  long first, end;
};

// One axis: `extent` elements, `windows` windows of `kernel` elements.
struct Axis {
  long extent, windows, kernel, stride, pad;

  // The elements of window i, without those of the padding.
  Span elements(long i) const {
    const long first = i * stride - pad;
    return {max_of(first, 0), min_of(first + kernel, extent)};
  }
  // The windows that hold element i.
  Span holders(long i) const {
    const long past = i + pad - kernel;  // windows that end before i start here at the latest
    return {past < 0 ? 0 : past / stride + 1, min_of((i + pad) / stride + 1, windows)};
  }
};

TG_INLINE Axis rows_of(const PoolArgs& a) { return {a.H, a.P, a.R, a.stride_h, a.pad_h}; }
TG_INLINE Axis columns_of(const PoolArgs& a) { return {a.W, a.Q, a.S, a.stride_w, a.pad_w}; }

}  // namespace TG_ISA
