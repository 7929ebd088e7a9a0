// y[n, p, q, c] = sum over r, s of x[n, h, w, c] k[r, s] with h up = p down + r - top where that is
// a pixel, w alike; and the filter's gradient gk[r, s] = sum over n, p, q, c of x[n, h, w, c]
// gy[n, p, q, c]. k is f, turned by 180 degrees unless `flip`. Reference:
// kernels/upfirdn2d/reference.py.
//
// upfirdn2d: a thread an output and stride, channels innermost (tg_pixels.cuh). It goes through the
// pixels that its taps meet, not through the taps: R S / (up up) products, and the zeros between
// the pixels are neither stored nor read. Traffic: y once, x once while the rows of a filter stay
// in the L2, and the filter, which stays in the L1. Tails: the border cuts the range of pixels.
//
// upfirdn2d_fgrad: few outputs, long sums. The outputs p that tap r meets are every p_step-th, and
// their pixels every h_step-th, so the terms of a tap are a dense range: `blocks` blocks stride
// over it, add up their threads in a fixed order (block_sum), and upfirdn2d_fgrad_totals adds up
// the blocks, a warp a tap. Sums are carried in double, in which a product of two floats is exact.
// Traffic: x and gy once a tap, / (up up) of it; only a filter that learns pays that.
#include "common/tg_pixels.cuh"

struct Meeting {  // the windows p, p + p_step, ... whose tap r meets pixels h, h + h_step, ...
  int p, h, count;
};

// p_step = up / g and h_step = stride / g, g their greatest common divisor.
__device__ __forceinline__ Meeting meeting(const TgAxis& a, int up, int r, int p_step, int h_step) {
  Meeting m{0, 0, 0};
  while (m.p < p_step && (m.p * a.stride + r - a.pad) % up) ++m.p;
  if (m.p == p_step) return m;
  m.h = (m.p * a.stride + r - a.pad) / up;
  int outside = m.h < 0 ? ceil_quotient(-m.h, h_step) : 0;  // that lie before the image
  m.p += outside * p_step;
  m.h += outside * h_step;
  if (m.p < a.windows && m.h < a.size)
    m.count = min((a.windows - 1 - m.p) / p_step, (a.size - 1 - m.h) / h_step) + 1;
  return m;
}

TG_KERNEL __launch_bounds__(256)
    upfirdn2d(const float* __restrict__ x, const float* __restrict__ f, float* __restrict__ y,
              int count, int channels, int up_h, int up_w, int flip, TgWindows shape) {
  int stride = static_cast<int>(global_threads());
  int taps_w = shape.w.taps, last = shape.h.taps * taps_w - 1;
  for (int i = static_cast<int>(global_thread()); i < count; i += stride) {
    Pixel at(i, shape.h.windows, shape.w.windows, channels);
    int top = at.h * shape.h.stride - shape.h.pad, left = at.w * shape.w.stride - shape.w.pad;
    int h_end = min(shape.h.size, floor_quotient(top + shape.h.taps - 1, up_h) + 1);
    int w_end = min(shape.w.size, floor_quotient(left + taps_w - 1, up_w) + 1);
    int w_first = max(0, ceil_quotient(left, up_w));
    float sum = 0;
    for (int h = max(0, ceil_quotient(top, up_h)); h < h_end; ++h) {
      const float* line = x + (at.n * shape.h.size + h) * shape.w.size * channels + at.c;
      int tap = (h * up_h - top) * taps_w - left;
      for (int w = w_first; w < w_end; ++w) {
        int t = tap + w * up_w;
        sum += line[w * channels] * f[flip ? t : last - t];
      }
    }
    y[i] = sum;
  }
}

// Blocks: x along the terms, y the taps. partial: (R S, blocks).
TG_KERNEL __launch_bounds__(256)
    upfirdn2d_fgrad(const float* __restrict__ x, const float* __restrict__ gy,
                    double* __restrict__ partial, int blocks, int taps, int images, int channels,
                    int up_h, int up_w, int p_step, int h_step, int q_step, int w_step,
                    TgWindows shape) {
  __shared__ double scratch[kMostWarps];
  int tap = static_cast<int>(blockIdx.y), r = tap / shape.w.taps, s = tap - r * shape.w.taps;
  Meeting rows = meeting(shape.h, up_h, r, p_step, h_step);
  Meeting columns = meeting(shape.w, up_w, s, q_step, w_step);
  int terms = images * rows.count * columns.count * channels;
  int stride = static_cast<int>(global_threads());
  double sum = 0;
  for (int i = static_cast<int>(global_thread()); i < terms; i += stride) {
    Pixel at(i, rows.count, columns.count, channels);
    int p = rows.p + at.h * p_step, h = rows.h + at.h * h_step;
    int q = columns.p + at.w * q_step, w = columns.h + at.w * w_step;
    int of_x = ((at.n * shape.h.size + h) * shape.w.size + w) * channels + at.c;
    int of_gy = ((at.n * shape.h.windows + p) * shape.w.windows + q) * channels + at.c;
    sum += static_cast<double>(x[of_x]) * static_cast<double>(gy[of_gy]);
  }
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) partial[tap * blocks + static_cast<int>(blockIdx.x)] = sum;
}

TG_KERNEL __launch_bounds__(256)
    upfirdn2d_fgrad_totals(const double* __restrict__ partial, float* __restrict__ gf, int blocks,
                           int taps, int flip) {
  int tap = static_cast<int>(global_thread() / kWarp), lane = threadIdx.x % kWarp;
  if (tap >= taps) return;
  double sum = 0;
  for (int k = lane; k < blocks; k += kWarp) sum += partial[tap * blocks + k];
  sum = warp_sum(sum);
  if (lane == 0) gf[flip ? tap : taps - 1 - tap] = static_cast<float>(sum);
}
