// What the CUDA convolutions share: their sizes, and how a product's fetchers meet an image.
//
// Images are NHWC. A convolution is a product whose rows are pixels and whose inner extent runs
// over taps and channels, (r, s, c) with c innermost; its matrix of pixels is never written, but
// gathered from the image by GatherFetch as the tiles are filled.
#pragma once

#include "common/tg_gemm.cuh"
#include "common/tg_thin.cuh"

// As kernels/conv2d/cuda.py packs it.
struct TgConv {
  int images, channels, height, width;  // x (N, C, H, W)
  int outputs, p, q;                    // y (N, O, P, Q)
  int r, s;                             // w (O, C / groups, R, S)
  int stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w, groups;
};

// A place (r, s, c) of the inner extent.
struct Tap {
  int r, s, c;

  __device__ __forceinline__ Tap(int k, int channels, int taps_w) {
    int tap = static_cast<unsigned>(k) / static_cast<unsigned>(channels);
    c = k - tap * channels;
    r = static_cast<unsigned>(tap) / static_cast<unsigned>(taps_w);
    s = tap - r * taps_w;
  }
  __device__ __forceinline__ void next(int channels, int taps_w) {
    if (++c < channels) return;
    c = 0;
    if (++s < taps_w) return;
    s = 0;
    ++r;
  }
};

// Which pixel of an image (height, width) a tap sees from a place (p, q) of a grid of `rows` by
// `columns`: line p * stride_h + first_h + r * step_h, column alike.
struct Window {
  int height, width, channels, rows, columns, taps_w;
  int stride_h, stride_w, first_h, first_w, step_h, step_w;
};

__device__ __forceinline__ Window forward_window(const TgConv& c) {
  return {c.height,   c.width,    c.channels,   c.p,          c.q,          c.s,
          c.stride_h, c.stride_w, -c.padding_h, -c.padding_w, c.dilation_h, c.dilation_w};
}

// A place of the grid of one image, and what it sees there.
struct Pixel {
  int base, h, w;  // first pixel of its image, and the corner of its window

  // None where i is outside: it sees no pixel.
  __device__ __forceinline__ Pixel() : base(0), h(-(1 << 30)), w(0) {}
  __device__ __forceinline__ Pixel(const Window& win, int i) {
    int line = static_cast<unsigned>(i) / static_cast<unsigned>(win.columns);
    int image = static_cast<unsigned>(line) / static_cast<unsigned>(win.rows);
    base = image * win.height * win.width;
    h = (line - image * win.rows) * win.stride_h + win.first_h;
    w = (i - line * win.columns) * win.stride_w + win.first_w;
  }

  // Where the tap's entry lies, or -1 for padding.
  __device__ __forceinline__ int at(const Window& win, const Tap& tap) const {
    int y = h + tap.r * win.step_h, x = w + tap.s * win.step_w;
    bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(win.height) &&
                  static_cast<unsigned>(x) < static_cast<unsigned>(win.width);
    return inside ? (base + y * win.width + x) * win.channels + tap.c : -1;
  }
};

// The matrix (pixels, taps and channels) of an image.
struct GatherFetch {
  const float* from;
  Window win;
  int extent, depth;
  bool wide;  // four channels are one tap's, and lie on 16 bytes
  Pixel pixel;

  __device__ __forceinline__ GatherFetch(const float* at, const Window& window, int extent,
                                         int depth)
      : from(at), win(window), extent(extent), depth(depth) {
    wide = window.channels % 4 == 0 && by_four(at);
  }
  __device__ __forceinline__ bool along_k() const { return true; }
  __device__ __forceinline__ void start(int i) { pixel = i < extent ? Pixel(win, i) : Pixel(); }

  __device__ __forceinline__ float4 four(int k) const {
    if (k >= depth) return make_float4(0, 0, 0, 0);
    Tap tap(k, win.channels, win.taps_w);
    if (wide) {
      int at = pixel.at(win, tap);
      return at < 0 ? make_float4(0, 0, 0, 0) : *reinterpret_cast<const float4*>(from + at);
    }
    float v[4];
#pragma unroll
    for (int j = 0; j < 4; ++j, tap.next(win.channels, win.taps_w)) {
      int at = k + j < depth ? pixel.at(win, tap) : -1;
      v[j] = at < 0 ? 0.0f : from[at];
    }
    return make_float4(v[0], v[1], v[2], v[3]);
  }
};
