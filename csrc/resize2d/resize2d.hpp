// A sparse linear map along the rows of an image and another along its columns, on NHWC memory.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../common/dispatch.hpp"

// y[i] = sum of weight[t] * x[index[t]] over t = start[i] .. start[i + 1] - 1
struct ResizeTaps {
  const int64_t *start, *index;
  const void* weight;  // of the type of x
};

// One call, already checked. Strides count elements; the channels of x have stride 1, y is dense.
struct ResizeArgs {
  bool is_double;
  const void* x;
  void* y;
  long N, C, H, W, P, Q;
  long x_n, x_h, x_w;
  ResizeTaps rows, columns;
  int slots;        // threads that the workspace has room for
  void* workspace;  // resize2d_bytes
};

#define TG_DECLARE_RESIZE(isa)                   \
  namespace isa {                                \
  size_t resize2d_bytes(const ResizeArgs& args); \
  void resize2d(const ResizeArgs& args);         \
  }
TG_FOR_EACH_ISA(TG_DECLARE_RESIZE)
#undef TG_DECLARE_RESIZE
