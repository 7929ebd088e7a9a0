// Scaled dot-product attention of every item of a batch, and its vjp, float or double.
#pragma once

#include <stddef.h>

#include "../common/dispatch.hpp"

// q (B, L, E), k (B, S, E), v (B, S, F), y and gy (B, L, F), all in C order; extents at least 1.
struct Attention {
  bool is_double;
  const void *q, *k, *v;
  long B, L, S, E, F;
  double scale;
  int slots;        // threads that the workspace has room for
  void* workspace;  // attention_bytes, or attention_vjp_bytes
};

#define TG_DECLARE_ATTENTION(isa)                                                          \
  namespace isa {                                                                          \
  size_t attention_bytes(const Attention& args);                                           \
  size_t attention_vjp_bytes(const Attention& args);                                       \
  void attention(const Attention& args, void* y);                                          \
  void attention_vjp(const Attention& args, const void* gy, void* gq, void* gk, void* gv); \
  }
TG_FOR_EACH_ISA(TG_DECLARE_ATTENTION)
#undef TG_DECLARE_ATTENTION
