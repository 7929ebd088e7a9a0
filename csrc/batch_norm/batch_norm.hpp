// Batch normalisation of a matrix (rows, channels) in C order, float or double.
#pragma once

#include <stddef.h>

#include "../common/dispatch.hpp"

struct BatchNormShape {
  bool is_double;
  long rows, channels;
  double eps;
  int slots;        // threads that the workspace has room for
  void* workspace;  // batch_norm_workspace bytes
};

#define TG_DECLARE_BATCH_NORM(isa)                                                          \
  namespace isa {                                                                           \
  size_t batch_norm_workspace(const BatchNormShape& shape);                                 \
  void batch_norm_stats(const BatchNormShape& shape, const void* x, void* mean, void* var); \
  void batch_norm(const BatchNormShape& shape, const void* x, const void* weight,           \
                  const void* bias, void* y);                                               \
  void batch_norm_vjp(const BatchNormShape& shape, const void* x, const void* weight,       \
                      const void* gy, void* gx, void* gweight, void* gbias);                \
  }
TG_FOR_EACH_ISA(TG_DECLARE_BATCH_NORM)
#undef TG_DECLARE_BATCH_NORM
