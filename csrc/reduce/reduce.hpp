// Sum, maximum or minimum over the middle axis of an array (outer, middle, inner) in C order.
#pragma once

#include <stddef.h>

#include "../common/dispatch.hpp"

// In the order of KINDS in tinygan/kernels/reduce/cpp.py.
enum ReduceKind { REDUCE_SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_KIND_COUNT };

struct Reduce {
  bool is_double;
  int kind;
  long outer, middle, inner;  // each at least 1
  int slots;                  // threads that the workspace has room for
  void* workspace;            // reduce_workspace bytes
};

#define TG_DECLARE_REDUCE(isa)                          \
  namespace isa {                                       \
  size_t reduce_workspace(const Reduce& s);             \
  void reduce(const Reduce& s, const void* x, void* y); \
  }
TG_FOR_EACH_ISA(TG_DECLARE_REDUCE)
#undef TG_DECLARE_REDUCE
