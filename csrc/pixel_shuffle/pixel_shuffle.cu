// pixel_shuffle: y[n, h r + i, w r + j, c] = x[n, h, w, (c r + i) r + j], and pixel_unshuffle, the
// same with the two sides exchanged. Reference: kernels/pixel_shuffle/reference.py.
//
// A thread an element of the output and stride, channels innermost, so writes are dense. Reads of
// pixel_shuffle are r r floats apart along c; what a warp leaves of a sector the threads of the
// other r r - 1 fine pixels take, out of the L1 for the r that share a row, else the L2. Reads of
// pixel_unshuffle are C floats apart along j, and neighbours again from one c to the next.
// Traffic: x read once, y written once. Tails: none beyond the end of the stride.
#include "common/tg_pixels.cuh"

// Extents of the fine image y: (N, height, width, channels), `count` elements.
TG_KERNEL __launch_bounds__(256)
    pixel_shuffle(const float* __restrict__ x, float* __restrict__ y, int count, int height,
                  int width, int channels, int factor) {
  int stride = static_cast<int>(global_threads());
  int rows = height / factor, columns = width / factor, deep = channels * factor * factor;
  for (int i = static_cast<int>(global_thread()); i < count; i += stride) {
    Pixel at(i, height, width, channels);
    int h = at.h / factor, w = at.w / factor;
    int tap = (at.c * factor + at.h - h * factor) * factor + at.w - w * factor;
    y[i] = x[((at.n * rows + h) * columns + w) * deep + tap];
  }
}

// Extents of the coarse image y: (N, height, width, channels r r), `count` elements.
TG_KERNEL __launch_bounds__(256)
    pixel_unshuffle(const float* __restrict__ x, float* __restrict__ y, int count, int height,
                    int width, int channels, int factor) {
  int stride = static_cast<int>(global_threads());
  int deep = channels * factor * factor;
  for (int k = static_cast<int>(global_thread()); k < count; k += stride) {
    Pixel at(k, height, width, deep);
    int row = at.c / factor, j = at.c - row * factor, c = row / factor, i = row - c * factor;
    int fine = (at.n * height + at.h) * factor + i;
    y[k] = x[((fine * width + at.w) * factor + j) * channels + c];
  }
}
