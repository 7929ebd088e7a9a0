// Batch normalisation of matrices (rows, channels) in C order, float or double, and the piecewise
// linear activation after it.
#pragma once

#include <stddef.h>

#include "../common/dispatch.hpp"

struct BatchNormShape {
  bool is_double;
  long segments, rows, channels;  // matrices of so many rows lie one after the other
  double eps;
  double slope;     // y = t > 0 ? t : slope t of the normalised t; 1: no activation
  int slots;        // threads that the workspace has room for
  void* workspace;  // batch_norm_workspace bytes
};

// mean and var are (segments, channels), biased, double whatever x is.
#define TG_DECLARE_BATCH_NORM(isa)                                                              \
  namespace isa {                                                                               \
  size_t batch_norm_workspace(const BatchNormShape& shape);                                     \
  void batch_norm_stats(const BatchNormShape& shape, const void* x, double* mean, double* var); \
  void batch_norm(const BatchNormShape& shape, const void* x, const void* weight,               \
                  const void* bias, const double* mean, const double* var, void* y);            \
  void batch_norm_vjp(const BatchNormShape& shape, const void* x, const void* weight,           \
                      const void* bias, const void* gy, const double* mean, const double* var,  \
                      void* gx, void* gweight, void* gbias);                                    \
  }
TG_FOR_EACH_ISA(TG_DECLARE_BATCH_NORM)
#undef TG_DECLARE_BATCH_NORM
