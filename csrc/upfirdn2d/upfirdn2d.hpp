// Upsample, filter, downsample on NHWC memory, and the gradient of the filter; float or double.
#pragma once

#include <stddef.h>

#include "../common/dispatch.hpp"

// One call, already checked. Strides count elements; the channels of x and y have stride 1. The
// filter is in the order in which it meets the image.
struct UpfirdnArgs {
  bool is_double;
  const void *x, *y;
  void* out;  // y (forward) or the filter (fgrad); the other two operands are read
  const void* f;
  long N, C, H, W, P, Q, R, S;
  long up_h, up_w, down_h, down_w, top, left;
  long x_n, x_h, x_w, y_n, y_h, y_w, f_r, f_s;
};

#define TG_DECLARE_UPFIRDN(isa)                                   \
  namespace isa {                                                 \
  size_t upfirdn2d_bytes(const UpfirdnArgs& args);                \
  void upfirdn2d(const UpfirdnArgs& args, void* workspace);       \
  size_t upfirdn2d_fgrad_bytes(const UpfirdnArgs& args);          \
  void upfirdn2d_fgrad(const UpfirdnArgs& args, void* workspace); \
  }
TG_FOR_EACH_ISA(TG_DECLARE_UPFIRDN)
#undef TG_DECLARE_UPFIRDN
