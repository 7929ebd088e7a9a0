// Pooling on NHWC memory, float or double: means and maxima of windows, and their adjoints.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../common/dispatch.hpp"

// A call of avg_pool2d, its adjoint or max_pool2d, already checked. Strides count elements; the
// channels of `in` have stride 1, the outputs are dense in the order N, H, W, C.
struct PoolArgs {
  bool is_double;
  const void* in;  // x (N, C, H, W), or the adjoint's gy (N, C, P, Q)
  void* out;       // y (N, C, P, Q), or the adjoint's gx (N, C, H, W)
  int64_t* index;  // of max_pool2d alone: as y, positions in H * W
  long N, C, H, W, P, Q, R, S;
  long stride_h, stride_w, pad_h, pad_w;
  bool count_pad;         // of averages: divide by R * S everywhere
  long in_n, in_h, in_w;  // strides of `in`
  int slots;              // threads that the workspace has room for
  void* workspace;        // avg_pool2d_bytes, or avg_pool2d_adjoint_bytes
};

// A call of gather2d or scatter2d: image (N, pixels, C), index and picked (N, picks, C), C order.
struct GatherArgs {
  bool is_double;
  void *image, *picked;  // gather2d writes the second, scatter2d the first
  const int64_t* index;
  long N, C, pixels, picks;
};

#define TG_DECLARE_POOL(isa)                             \
  namespace isa {                                        \
  size_t avg_pool2d_bytes(const PoolArgs& args);         \
  size_t avg_pool2d_adjoint_bytes(const PoolArgs& args); \
  void avg_pool2d(const PoolArgs& args);                 \
  void avg_pool2d_adjoint(const PoolArgs& args);         \
  void max_pool2d(const PoolArgs& args);                 \
  bool gather2d(const GatherArgs& args);                 \
  bool scatter2d(const GatherArgs& args);                \
  }
TG_FOR_EACH_ISA(TG_DECLARE_POOL)
#undef TG_DECLARE_POOL
