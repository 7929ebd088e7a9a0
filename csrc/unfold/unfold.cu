// unfold  cols[n,p,q,c,r,s] = x[n, p stride - pad + r dil, q stride - pad + s dil, c], 0 outside
// fold    x[n,h,w,c] = sum of the cols[n,p,q,c,r,s] that unfold would have copied from there
// Reference: kernels/unfold/reference.py.
//
// A thread an element of the output and stride (tg_pixels.cuh). unfold writes cols as they lie, so
// writes are dense; its reads are C floats apart from one s to the next, and hit the L1 or L2 but
// for one of every R S / stride^2. fold gathers in the order (r, s), so that no two threads add to
// one element; its reads are R S floats apart from one channel to the next, and the other taps of a
// sector go to the pixels around. Traffic: cols once, x once. Tails: none beyond the end of the
// stride.
#include "common/tg_pixels.cuh"

TG_KERNEL __launch_bounds__(256)
    unfold(const float* __restrict__ x, float* __restrict__ cols, int count, int channels,
           int dilation_h, int dilation_w, TgWindows shape) {
  int stride = static_cast<int>(global_threads());
  int patch = channels * shape.h.taps * shape.w.taps;
  for (int i = static_cast<int>(global_thread()); i < count; i += stride) {
    Pixel at(i, shape.h.windows, shape.w.windows, patch);
    int row = at.c / shape.w.taps, s = at.c - row * shape.w.taps;
    int c = row / shape.h.taps, r = row - c * shape.h.taps;
    int h = at.h * shape.h.stride - shape.h.pad + r * dilation_h;
    int w = at.w * shape.w.stride - shape.w.pad + s * dilation_w;
    bool inside = h >= 0 && h < shape.h.size && w >= 0 && w < shape.w.size;
    int pixel = (at.n * shape.h.size + h) * shape.w.size + w;
    cols[i] = inside ? x[pixel * channels + c] : 0.0f;
  }
}

// The window whose tap lies `past` elements behind the begin of window 0, or -1 for none.
__device__ __forceinline__ int window_at(const TgAxis& a, int past) {
  int k = past / a.stride;
  return past >= 0 && past == k * a.stride && k < a.windows ? k : -1;
}

TG_KERNEL __launch_bounds__(256)
    fold(const float* __restrict__ cols, float* __restrict__ x, int count, int channels,
         int dilation_h, int dilation_w, TgWindows shape) {
  int stride = static_cast<int>(global_threads()), taps = shape.h.taps * shape.w.taps;
  for (int i = static_cast<int>(global_thread()); i < count; i += stride) {
    Pixel at(i, shape.h.size, shape.w.size, channels);
    float sum = 0;
    for (int r = 0; r < shape.h.taps; ++r) {
      int p = window_at(shape.h, at.h + shape.h.pad - r * dilation_h);
      if (p < 0) continue;
      int line = (at.n * shape.h.windows + p) * shape.w.windows;
      for (int s = 0; s < shape.w.taps; ++s) {
        int q = window_at(shape.w, at.w + shape.w.pad - s * dilation_w);
        if (q < 0) continue;
        sum += cols[((line + q) * channels + at.c) * taps + r * shape.w.taps + s];
      }
    }
    x[i] = sum;
  }
}
