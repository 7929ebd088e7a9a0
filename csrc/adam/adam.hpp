// One Adam step in place on groups (p, g, m, v): all parameters of an optimizer in one region.
#pragma once

#include "../common/dispatch.hpp"
#include "../common/groups.hpp"

struct AdamStep {
  double shrink;        // factor on p before the step: 1 - lr * weight_decay (AdamW), else 1
  double l2;            // weight_decay * p is added to g (Adam), else 0
  double beta1, beta2;  // decays of the moments
  double step_size;     // lr / (1 - beta1^t)
  double root_scale;    // 1 / sqrt(1 - beta2^t)
  double eps;
};

#define TG_DECLARE_ADAM(isa)                            \
  namespace isa {                                       \
  void adam(const AdamStep& s, const TgGroups& params); \
  }
TG_FOR_EACH_ISA(TG_DECLARE_ADAM)
#undef TG_DECLARE_ADAM
