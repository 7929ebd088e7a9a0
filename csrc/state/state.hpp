// What a training step does to its whole state: copy it, average it, check it, one region each.
#pragma once

#include "../common/dispatch.hpp"
#include "../common/groups.hpp"

#define TG_DECLARE_STATE(isa)                                              \
  namespace isa {                                                          \
  void state_copy(const TgGroups& pairs);                 /* to, from */   \
  void state_average(double beta, const TgGroups& pairs); /* average, x */ \
  bool state_finite(const TgGroups& arrays);                               \
  }
TG_FOR_EACH_ISA(TG_DECLARE_STATE)
#undef TG_DECLARE_STATE
