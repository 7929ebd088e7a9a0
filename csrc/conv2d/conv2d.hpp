// The three convolutions on NHWC memory; declarations of every variant for every instruction set.
//
// Symbols: N batch; C, O input and output channels; H, W input size; P, Q output size; R, S kernel.
#pragma once

#include <stddef.h>

#include "../common/dispatch.hpp"

enum ConvPass { CONV_FORWARD = 0, CONV_DGRAD = 1, CONV_WGRAD = 2 };

// One call, already checked. Strides count elements; the channels of x and y have stride 1.
struct ConvArgs {
  ConvPass pass;
  bool is_double;
  void *x, *w, *y;  // two are read, one is written: y, x (dgrad) or w (wgrad)
  long N, C, H, W, O, R, S, P, Q, groups;
  long stride_h, stride_w, pad_h, pad_w, dil_h, dil_w;
  long x_n, x_h, x_w;       // strides of x (N, H, W)
  long y_n, y_h, y_w;       // strides of y (N, P, Q)
  long w_o, w_c, w_r, w_s;  // strides of w (O, C/groups, R, S)
  int slots;                // at most so many threads run, each with its own scratch
};

// Winograd's algorithms: taps a side of a phase of the kernel, which they know for 2 and 3.
static inline long phase_taps(const ConvArgs& a) { return (a.R + a.stride_h - 1) / a.stride_h; }

// m: outputs a side of a tile, 2 or 4; float32 alone.
#define TG_DECLARE_CONV(isa)                                         \
  namespace isa {                                                    \
  size_t gather_bytes(const ConvArgs& args);                         \
  void gather(const ConvArgs& args, void* workspace);                \
  size_t wgrad_bytes(const ConvArgs& args);                          \
  void wgrad(const ConvArgs& args, void* workspace);                 \
  void direct(const ConvArgs& args);                                 \
  size_t winograd_bytes(const ConvArgs& args, int m);                \
  void winograd(const ConvArgs& args, int m, void* workspace);       \
  size_t winograd_wgrad_bytes(const ConvArgs& args, int m);          \
  void winograd_wgrad(const ConvArgs& args, int m, void* workspace); \
  }
TG_FOR_EACH_ISA(TG_DECLARE_CONV)
#undef TG_DECLARE_CONV
