// The three convolutions as plain loops, a thread an output: any stride, padding, dilation and
// groups. Reference: kernels/conv2d/reference.py.
//
//     y[n,o,p,q]  = sum_{r,s,c} x[n, c, p stride - padding + r dilation, ...] w[o,c,r,s]
//     gx[n,c,h,w] = sum_{r,s,o} gy[n, o, (h + padding - r dilation) / stride, ...] w[o,c,r,s]
//     gw[o,c,r,s] = sum_{n,p,q} gy[n,o,p,q] x[n, c, p stride - padding + r dilation, ...]
//
// Images are NHWC, so that neighbouring threads have neighbouring channels of one pixel; c and o
// stay in a group of C / groups and O / groups. Padding is skipped, not multiplied: a NaN reaches
// exactly what meets it. Traffic: both operands once for each product, from L1 and L2 where threads
// share them; the output once. Tails: threads stride over the outputs until none is left.
#include "conv2d/conv2d.cuh"

// First i from 0 at which from + step * i is not negative.
__device__ __forceinline__ int first_inside(int from, int step) {
  return from >= 0 ? 0 : (step - 1 - from) / step;
}

// First i from 0 at which from + step * i is `size` or more, at most `most`.
__device__ __forceinline__ int end_inside(int from, int step, int size, int most) {
  int count = from < size ? (size - from - 1) / step + 1 : 0;
  return count < most ? count : most;
}

// w is packed to (R, S, C / groups, O): threads of neighbouring o read neighbours.
TG_KERNEL __launch_bounds__(256, 4)
    conv2d_direct(const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ y,
                  int count, TgConv conv) {
  int inputs = conv.channels / conv.groups, outputs = conv.outputs / conv.groups;
  for (long long i = global_thread(); i < count; i += global_threads()) {
    int pixel = static_cast<int>(i) / conv.outputs, o = static_cast<int>(i) % conv.outputs;
    int q = pixel % conv.q, line = pixel / conv.q;
    int top = line % conv.p * conv.stride_h - conv.padding_h;
    int left = q * conv.stride_w - conv.padding_w;
    const float* image =
        x + line / conv.p * conv.height * conv.width * conv.channels + o / outputs * inputs;
    int end_r = end_inside(top, conv.dilation_h, conv.height, conv.r);
    int end_s = end_inside(left, conv.dilation_w, conv.width, conv.s);
    float sum = 0;
    for (int r = first_inside(top, conv.dilation_h); r < end_r; ++r)
      for (int s = first_inside(left, conv.dilation_w); s < end_s; ++s) {
        int at = (top + r * conv.dilation_h) * conv.width + left + s * conv.dilation_w;
        const float* from = image + at * conv.channels;
        const float* by = w + (r * conv.s + s) * inputs * conv.outputs + o;
        for (int c = 0; c < inputs; ++c) sum += from[c] * by[c * conv.outputs];
      }
    y[i] = sum;
  }
}

// w is (O, C / groups, R, S).
TG_KERNEL __launch_bounds__(256)
    conv2d_dgrad_direct(const float* __restrict__ gy, const float* __restrict__ w,
                        float* __restrict__ gx, int count, TgConv conv) {
  int inputs = conv.channels / conv.groups, outputs = conv.outputs / conv.groups;
  int taps = conv.r * conv.s, inner = inputs * taps;
  for (long long i = global_thread(); i < count; i += global_threads()) {
    int pixel = static_cast<int>(i) / conv.channels, channel = static_cast<int>(i) % conv.channels;
    int group = channel / inputs, c = channel % inputs;
    int width = pixel % conv.width, line = pixel / conv.width;
    int image = line / conv.height * conv.p;
    float sum = 0;
    for (int r = 0; r < conv.r; ++r) {
      int up = line % conv.height + conv.padding_h - r * conv.dilation_h;
      if (up < 0 || up % conv.stride_h || up / conv.stride_h >= conv.p) continue;
      for (int s = 0; s < conv.s; ++s) {
        int along = width + conv.padding_w - s * conv.dilation_w;
        if (along < 0 || along % conv.stride_w || along / conv.stride_w >= conv.q) continue;
        int at = (image + up / conv.stride_h) * conv.q + along / conv.stride_w;
        const float* from = gy + at * conv.outputs + group * outputs;
        const float* by = w + group * outputs * inner + c * taps + r * conv.s + s;
        for (int o = 0; o < outputs; ++o) sum += from[o] * by[o * inner];
      }
    }
    gx[i] = sum;
  }
}

TG_KERNEL __launch_bounds__(256)
    conv2d_wgrad_direct(const float* __restrict__ x, const float* __restrict__ gy,
                        float* __restrict__ gw, int count, TgConv conv) {
  int inputs = conv.channels / conv.groups, outputs = conv.outputs / conv.groups;
  for (long long i = global_thread(); i < count; i += global_threads()) {
    int tap = static_cast<int>(i) / conv.s, s = static_cast<int>(i) % conv.s;
    int r = tap % conv.r, c = tap / conv.r % inputs, o = tap / conv.r / inputs;
    int top = r * conv.dilation_h - conv.padding_h, left = s * conv.dilation_w - conv.padding_w;
    int end_p = end_inside(top, conv.stride_h, conv.height, conv.p);
    int first_q = first_inside(left, conv.stride_w);
    int end_q = end_inside(left, conv.stride_w, conv.width, conv.q);
    const float* from = x + o / outputs * inputs + c;
    float sum = 0;
    for (int n = 0; n < conv.images; ++n)
      for (int p = first_inside(top, conv.stride_h); p < end_p; ++p) {
        int line = (n * conv.height + top + p * conv.stride_h) * conv.width + left;
        int out = (n * conv.p + p) * conv.q;
        for (int q = first_q; q < end_q; ++q)
          sum +=
              from[(line + q * conv.stride_w) * conv.channels] * gy[(out + q) * conv.outputs + o];
      }
    gw[i] = sum;
  }
}
