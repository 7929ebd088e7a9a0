// Group normalisation of samples (rows, channels) in C order, one after another, float or double.
#pragma once

#include <stddef.h>

#include "../common/dispatch.hpp"

struct GroupNormShape {
  bool is_double;
  long samples, rows, channels, groups;
  double eps;
  int slots;        // threads that the workspace has room for
  void* workspace;  // group_norm_workspace bytes
};

#define TG_DECLARE_GROUP_NORM(isa)                                                    \
  namespace isa {                                                                     \
  size_t group_norm_workspace(const GroupNormShape& shape);                           \
  void group_norm(const GroupNormShape& shape, const void* x, const void* weight,     \
                  const void* bias, void* y);                                         \
  void group_norm_vjp(const GroupNormShape& shape, const void* x, const void* weight, \
                      const void* gy, void* gx, void* gweight, void* gbias);          \
  }
TG_FOR_EACH_ISA(TG_DECLARE_GROUP_NORM)
#undef TG_DECLARE_GROUP_NORM
