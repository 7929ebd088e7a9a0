// unfold (im2col) and fold (col2im) on NHWC memory, float or double.
#pragma once

#include "../common/dispatch.hpp"

// One call, already checked. Strides count elements; the channels of x have stride 1, and cols is
// dense in the order (N, P, Q, C, R, S).
struct UnfoldArgs {
  bool is_double;
  void *x, *cols;  // the first is written by fold, the second by unfold
  long N, C, H, W, P, Q, R, S;
  long stride_h, stride_w, pad_h, pad_w, dil_h, dil_w;
  long x_n, x_h, x_w;
};

#define TG_DECLARE_UNFOLD(isa)         \
  namespace isa {                      \
  void unfold(const UnfoldArgs& args); \
  void fold(const UnfoldArgs& args);   \
  }
TG_FOR_EACH_ISA(TG_DECLARE_UNFOLD)
#undef TG_DECLARE_UNFOLD
