// The product of two matrices: c = a b, or a b + bias.
#pragma once

#include <stddef.h>

#include "../common/dispatch.hpp"

// c (M, N), dense in C order, = a (M, K) b (K, N) at any strides, counted in elements; to every row
// a bias of N numbers is added, if there is one.
struct Matmul {
  bool is_double;
  const void *a, *b;
  void* c;
  long M, N, K;
  long a_m, a_k, b_k, b_n;
  const void* bias;
  long bias_n;  // 1, or 0 if all columns have the same
};

#define TG_DECLARE_MATMUL(isa)                   \
  namespace isa {                                \
  size_t matmul_bytes(const Matmul& s);          \
  void matmul(const Matmul& s, void* workspace); \
  }
TG_FOR_EACH_ISA(TG_DECLARE_MATMUL)
#undef TG_DECLARE_MATMUL
