// Where a thread stands in an image: the flat index of an (N, H, W, C) array in C order, taken
// apart. Kernels that stride over their outputs with one of these have neighbouring threads on
// neighbouring channels, so that a warp reads and writes whole sectors where C is 8 or more, and
// neighbouring pixels' channels where it is less.
//
// Indices are 32 bits: launchers refuse arrays near 2**31 elements (kernels/cuda/images.py).
#pragma once
#include "common/tg_device.cuh"

struct Pixel {
  int n, h, w, c;

  __device__ __forceinline__ Pixel(int index, int height, int width, int channels) {
    unsigned rest = static_cast<unsigned>(index);  // a division of unsigned numbers is shorter
    unsigned by_c = rest / channels, by_w = by_c / width, by_h = by_w / height;
    c = static_cast<int>(rest - by_c * channels);
    w = static_cast<int>(by_c - by_w * width);
    h = static_cast<int>(by_w - by_h * height);
    n = static_cast<int>(by_h);
  }
};

// Quotients rounded down and up, for divisors above 0 and any dividend.
__device__ __forceinline__ int floor_quotient(int a, int b) { return a / b - (a % b < 0); }
__device__ __forceinline__ int ceil_quotient(int a, int b) { return a / b + (a % b > 0); }

struct TgAxis {  // window k begins at element k stride - pad and has `taps` taps
  int size, windows, taps, stride, pad;
};
struct TgWindows {  // over images of h.size x w.size pixels
  TgAxis h, w;
};
static_assert(sizeof(TgWindows) == 40, "kernels/cuda/images.py packs it");
