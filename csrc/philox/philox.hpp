// Random numbers of one stream: Philox4x32-10, and the distributions made of its words.
#pragma once

#include <stdint.h>

#include "../common/dispatch.hpp"

enum TgDraw { TG_UNIFORM = 0, TG_NORMAL = 1, TG_DRAWS = 2 };

// n values from word `start` of a sequence on; a float takes one word of it, a double two.
struct Philox {
  TgDraw draw;
  bool is_double;
  void* out;
  long n;
  uint64_t seed, start;
  uint32_t stream, step;
};

#define TG_DECLARE_PHILOX(isa)  \
  namespace isa {               \
  void philox(const Philox& s); \
  }
TG_FOR_EACH_ISA(TG_DECLARE_PHILOX)
#undef TG_DECLARE_PHILOX
