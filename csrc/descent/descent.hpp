// One step of SGD or RMSprop in place on groups: all parameters of an optimizer in one region.
#pragma once

#include "../common/dispatch.hpp"
#include "../common/groups.hpp"

struct SgdStep {  // groups (p, g), with momentum (p, g, b)
  double lr, momentum, weight_decay;
  double fresh;  // share of g that enters b: 1 - dampening, or 1 in the first step
  bool nesterov;
};

struct RmspropStep {  // groups (p, g, s), then b with momentum, then m if centered
  double lr, alpha, eps, weight_decay, momentum;
  bool centered;
};

#define TG_DECLARE_DESCENT(isa)                               \
  namespace isa {                                             \
  void sgd(const SgdStep& s, const TgGroups& params);         \
  void rmsprop(const RmspropStep& s, const TgGroups& params); \
  }
TG_FOR_EACH_ISA(TG_DECLARE_DESCENT)
#undef TG_DECLARE_DESCENT
