// Run-time choice between the copies of a kernel that were compiled for different CPUs.
//
// Every csrc/<op>/<op>.cpp is compiled once per instruction set, with -DTG_ISA=<namespace> and the
// flags of that set, and puts everything into `namespace TG_ISA`. So no symbol of the AVX-512 copy
// can be picked by the linker for a CPU that lacks it, as long as those files include only light
// headers (an inline function of the standard library would be a weak symbol shared by all copies).
//
// The header of an op declares its functions once for each copy:
//
//   #define TG_DECLARE_SCALE(isa) namespace isa { void scale(float* x, long n, float by); }
//   TG_FOR_EACH_ISA(TG_DECLARE_SCALE)
//   #undef TG_DECLARE_SCALE
//
// and its bind.cpp calls the copy that fits this CPU: TG_PICK(scale)(x, n, by).
#pragma once

#if defined(__x86_64__)
#define TG_FOR_EACH_ISA(declare) declare(tg_avx512) declare(tg_avx2) declare(tg_base)
#define TG_PICK(fn)                             \
  (tg_isa() == TG_ISA_AVX512 ? &::tg_avx512::fn \
   : tg_isa() == TG_ISA_AVX2 ? &::tg_avx2::fn   \
                             : &::tg_base::fn)
#else
#define TG_FOR_EACH_ISA(declare) declare(tg_base)
#define TG_PICK(fn) (&::tg_base::fn)
#endif

enum TgIsa { TG_ISA_BASE = 0, TG_ISA_AVX2 = 1, TG_ISA_AVX512 = 2 };

// The instruction set in use: the best one of this CPU unless tg_set_isa chose another.
TgIsa tg_isa();

// The best instruction set that this CPU and its operating system offer.
TgIsa tg_best_isa();

// Use `isa` from now on; false if this CPU lacks it. Called at import only.
bool tg_set_isa(TgIsa isa);

const char* tg_isa_name(TgIsa isa);
