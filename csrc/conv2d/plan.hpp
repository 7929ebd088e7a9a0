// What gather.cpp and wgrad.cpp share beside the tiles: images padded where channels are few.
#pragma once

#include "../common/parallel.hpp"
#include "../common/tiles.hpp"
#include "conv2d.hpp"

namespace TG_ISA {

// Channels so few that the kernel's row (S taps by C channels, contiguous in a padded NHWC image)
// makes a better inner dimension than C alone: an RGB image and a 4 x 4 kernel give 12, not 3.
TG_INLINE bool merges_kernel_row(const ConvArgs& a) {
  return a.pass != CONV_DGRAD && a.groups == 1 && a.dil_w == 1 && a.S > 1 && a.C <= 4;
}

// Copy x (N, H, W, C) with its zero padding into dense memory.
template <class T>
static void pad_image(const ConvArgs& a, T* out) {
  const long height = a.H + 2 * a.pad_h, width = a.W + 2 * a.pad_w;
  parallel_for(a.N * height, 16, [&](long begin, long end) {
    for (long line = begin; line < end; ++line) {
      const long n = line / height, h = line % height - a.pad_h;
      T* to = out + line * width * a.C;
      if (h < 0 || h >= a.H) {
        memset(to, 0, (size_t)(width * a.C) * sizeof(T));
        continue;
      }
      memset(to, 0, (size_t)(a.pad_w * a.C) * sizeof(T));
      to += a.pad_w * a.C;
      const T* from = (const T*)a.x + n * a.x_n + h * a.x_h;
      if (a.x_w == a.C) {
        memcpy(to, from, (size_t)(a.W * a.C) * sizeof(T));
      } else {
        for (long w = 0; w < a.W; ++w)
          for (long c = 0; c < a.C; ++c) to[w * a.C + c] = from[w * a.x_w + c];
      }
      memset(to + a.W * a.C, 0, (size_t)(a.pad_w * a.C) * sizeof(T));
    }
  });
}

TG_INLINE long padded_size(const ConvArgs& a) {
  return a.N * (a.H + 2 * a.pad_h) * (a.W + 2 * a.pad_w) * a.C;
}

// The same call, but on the padded copy of x: no padding any more, and dense strides.
template <class T>
static ConvArgs on_padded(ConvArgs a, T* padded) {
  a.x = padded;
  a.H += 2 * a.pad_h, a.W += 2 * a.pad_w;
  a.pad_h = a.pad_w = 0;
  a.x_w = a.C, a.x_h = a.W * a.C, a.x_n = a.H * a.x_h;
  return a;
}

}  // namespace TG_ISA
