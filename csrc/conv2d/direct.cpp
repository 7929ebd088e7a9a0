// The three convolutions as plain loops: what implicit_gemm is compared with and learned against.
//
//   y[n,p,q,o] = sum_{r,s,c} x[n, p stride - pad + r dil, ...][c] w[o,c,r,s]        and its
//   adjoints
//
// Mapping. One task is one output element's line: conv2d a (n, p), conv2d_dgrad a (n, h), and
// conv2d_wgrad an o. Within it each output is summed by a single thread, in double whatever the
// type, in the order (r, s, channel) or (n, p, q): the bits do not depend on the number of threads.
//
// Traffic: every multiply-add loads both factors, from L1 if the image is small. Nothing is packed
// and no scratch is needed. Tails: none, all loops are scalar and taps outside the image are
// skipped. Reference: kernels/conv2d/reference.py.

#include "plan.hpp"

namespace TG_ISA {
namespace {

template <class T>
void forward_line(const ConvArgs& a, long n, long p) {
  const long cg = a.C / a.groups, og = a.O / a.groups;
  const T *x = (const T*)a.x + n * a.x_n, *w = (const T*)a.w;
  for (long q = 0; q < a.Q; ++q)
    for (long o = 0; o < a.O; ++o) {
      double sum = 0;
      for (long r = 0; r < a.R; ++r) {
        const long h = p * a.stride_h - a.pad_h + r * a.dil_h;
        if (h < 0 || h >= a.H) continue;
        for (long s = 0; s < a.S; ++s) {
          const long v = q * a.stride_w - a.pad_w + s * a.dil_w;
          if (v < 0 || v >= a.W) continue;
          const T* pixel = x + h * a.x_h + v * a.x_w + o / og * cg;
          const T* tap = w + o * a.w_o + r * a.w_r + s * a.w_s;
          for (long c = 0; c < cg; ++c) sum += (double)pixel[c] * (double)tap[c * a.w_c];
        }
      }
      ((T*)a.y)[n * a.y_n + p * a.y_h + q * a.y_w + o] = (T)sum;
    }
}

template <class T>
void dgrad_line(const ConvArgs& a, long n, long h) {
  const long cg = a.C / a.groups, og = a.O / a.groups;
  const T *y = (const T*)a.y + n * a.y_n, *w = (const T*)a.w;
  for (long v = 0; v < a.W; ++v)
    for (long c = 0; c < a.C; ++c) {
      double sum = 0;
      for (long r = 0; r < a.R; ++r) {
        const long p = h + a.pad_h - r * a.dil_h;  // times stride_h
        if (p < 0 || p % a.stride_h != 0 || p / a.stride_h >= a.P) continue;
        for (long s = 0; s < a.S; ++s) {
          const long q = v + a.pad_w - s * a.dil_w;
          if (q < 0 || q % a.stride_w != 0 || q / a.stride_w >= a.Q) continue;
          const long first = c / cg * og;
          const T* pixel = y + p / a.stride_h * a.y_h + q / a.stride_w * a.y_w + first;
          const T* tap = w + first * a.w_o + c % cg * a.w_c + r * a.w_r + s * a.w_s;
          for (long o = 0; o < og; ++o) sum += (double)pixel[o] * (double)tap[o * a.w_o];
        }
      }
      ((T*)a.x)[n * a.x_n + h * a.x_h + v * a.x_w + c] = (T)sum;
    }
}

template <class T>
double wgrad_tap(const ConvArgs& a, long o, long channel, long r, long s) {
  double sum = 0;
  for (long n = 0; n < a.N; ++n)
    for (long p = 0; p < a.P; ++p) {
      const long h = p * a.stride_h - a.pad_h + r * a.dil_h;
      if (h < 0 || h >= a.H) continue;
      for (long q = 0; q < a.Q; ++q) {
        const long v = q * a.stride_w - a.pad_w + s * a.dil_w;
        if (v < 0 || v >= a.W) continue;
        sum += (double)((const T*)a.x)[n * a.x_n + h * a.x_h + v * a.x_w + channel] *
               (double)((const T*)a.y)[n * a.y_n + p * a.y_h + q * a.y_w + o];
      }
    }
  return sum;
}

template <class T>
void wgrad_channel(const ConvArgs& a, long o) {
  const long cg = a.C / a.groups, first = o / (a.O / a.groups) * cg;
  T* w = (T*)a.w + o * a.w_o;
  for (long c = 0; c < cg; ++c)
    for (long r = 0; r < a.R; ++r)
      for (long s = 0; s < a.S; ++s)
        w[c * a.w_c + r * a.w_r + s * a.w_s] = (T)wgrad_tap<T>(a, o, first + c, r, s);
}

template <class T>
void run(const ConvArgs& a) {
  const long lines = a.pass == CONV_FORWARD ? a.P : a.H;
  const long tasks = a.pass == CONV_WGRAD ? a.O : a.N * lines;
  parallel_for(tasks, 1, [&](long begin, long end) {
    for (long i = begin; i < end; ++i) {
      if (a.pass == CONV_FORWARD) forward_line<T>(a, i / lines, i % lines);
      if (a.pass == CONV_DGRAD) dgrad_line<T>(a, i / lines, i % lines);
      if (a.pass == CONV_WGRAD) wgrad_channel<T>(a, i);
    }
  });
}

}  // namespace

void direct(const ConvArgs& args) { args.is_double ? run<double>(args) : run<float>(args); }

}  // namespace TG_ISA
