// One Adam step in place on n contiguous parameters.
#pragma once

#include "../common/dispatch.hpp"

struct AdamStep {
  bool is_double;
  long n;
  double shrink;        // factor on p before the step: 1 - lr * weight_decay (AdamW), else 1
  double l2;            // weight_decay * p is added to g (Adam), else 0
  double beta1, beta2;  // decays of the moments
  double step_size;     // lr / (1 - beta1^t)
  double root_scale;    // 1 / sqrt(1 - beta2^t)
  double eps;
};

#define TG_DECLARE_ADAM(isa)                                              \
  namespace isa {                                                         \
  void adam(const AdamStep& s, void* p, const void* g, void* m, void* v); \
  }
TG_FOR_EACH_ISA(TG_DECLARE_ADAM)
#undef TG_DECLARE_ADAM
