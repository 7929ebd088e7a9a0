// softmax, its vjp and logsumexp of the rows of a matrix (rows, width) in C order, float or double.
#pragma once

#include "../common/dispatch.hpp"

struct SoftmaxShape {
  bool is_double;
  long rows, width;
};

#define TG_DECLARE_SOFTMAX(isa)                                                         \
  namespace isa {                                                                       \
  void softmax(const SoftmaxShape& shape, const void* x, void* y);                      \
  void softmax_vjp(const SoftmaxShape& shape, const void* y, const void* gy, void* gx); \
  void logsumexp(const SoftmaxShape& shape, const void* x, void* y);                    \
  }
TG_FOR_EACH_ISA(TG_DECLARE_SOFTMAX)
#undef TG_DECLARE_SOFTMAX
