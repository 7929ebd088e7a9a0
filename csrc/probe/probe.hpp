// What this machine can do at best, for benchmarks to compare with.
#pragma once

#include "../common/dispatch.hpp"

#define TG_DECLARE_PROBE(isa)                            \
  namespace isa {                                        \
  double probe_fma(long rounds, double* sink);           \
  void probe_copy(const float* from, float* to, long n); \
  }
TG_FOR_EACH_ISA(TG_DECLARE_PROBE)
#undef TG_DECLARE_PROBE
