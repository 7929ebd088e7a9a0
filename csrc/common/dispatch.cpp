#include "dispatch.hpp"

TgIsa tg_best_isa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? TG_ISA_AVX512 : avx2 ? TG_ISA_AVX2 : TG_ISA_BASE;
#else
  return TG_ISA_BASE;
#endif
}

static TgIsa& current() {
  static TgIsa isa = tg_best_isa();
  return isa;
}

TgIsa tg_isa() { return current(); }

bool tg_set_isa(TgIsa isa) {
  if (isa > tg_best_isa()) return false;
  current() = isa;
  return true;
}

const char* tg_isa_name(TgIsa isa) {
  return isa == TG_ISA_AVX512 ? "avx512" : isa == TG_ISA_AVX2 ? "avx2" : "base";
}
