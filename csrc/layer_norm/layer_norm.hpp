// Layer normalisation of the rows of a matrix (rows, width) in C order, float or double.
#pragma once

#include <stddef.h>

#include "../common/dispatch.hpp"

struct LayerNormShape {
  bool is_double;
  long rows, width;
  double eps;
  void* workspace;  // layer_norm_workspace bytes
};

#define TG_DECLARE_LAYER_NORM(isa)                                                    \
  namespace isa {                                                                     \
  size_t layer_norm_workspace(const LayerNormShape& shape);                           \
  void layer_norm(const LayerNormShape& shape, const void* x, const void* weight,     \
                  const void* bias, void* y);                                         \
  void layer_norm_vjp(const LayerNormShape& shape, const void* x, const void* weight, \
                      const void* gy, void* gx, void* gweight, void* gbias);          \
  }
TG_FOR_EACH_ISA(TG_DECLARE_LAYER_NORM)
#undef TG_DECLARE_LAYER_NORM
