// pixel_shuffle and pixel_unshuffle on NHWC memory, float or double: copies that permute.
#pragma once

#include "../common/dispatch.hpp"

// One call, already checked. Strides of `in` count elements, its channels have stride 1; `out` is
// dense in the order N, H, W, C. H, W and C are those of the coarse image without the r * r of its
// channels: coarse (N, C r r, H, W), fine (N, C, H r, W r).
struct PixelShuffle {
  bool is_double;
  const void* in;
  void* out;
  long N, C, H, W, r;
  long in_n, in_h, in_w;
};

#define TG_DECLARE_PIXEL_SHUFFLE(isa)             \
  namespace isa {                                 \
  void pixel_shuffle(const PixelShuffle& args);   \
  void pixel_unshuffle(const PixelShuffle& args); \
  }
TG_FOR_EACH_ISA(TG_DECLARE_PIXEL_SHUFFLE)
#undef TG_DECLARE_PIXEL_SHUFFLE
