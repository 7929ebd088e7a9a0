// y[n, p, q, c] = sum over h, w of A[p, h] B[q, w] x[n, h, w, c], A and B sparse, by rows. The
// adjoint passes the transposed matrices. Reference: kernels/resize2d/reference.py.
//
// Row p of A is rows.weight[t] at pixel rows.pixel[t] for rows.start[p] <= t < rows.start[p + 1]; B
// alike. A thread an output and stride, channels innermost (tg_pixels.cuh): it weighs the pixels of
// each input row, and then the rows, in the order of the taps.
//
// One pass, K K products an output, and not two of K with the image between them: a filter as wide
// as k max(step, 1) pixels meets every pixel in k k outputs at most where the image shrinks, and an
// output has k k taps where it grows, so there are at most 16 reads (bicubic; bilinear: 4) for each
// element of the larger image, and all but one hit the L1 or L2. Traffic: x once, y once, and the
// taps, which stay in the L1. Few outputs of many taps each (an image's mean) leave a GPU idle.
// Tails: none beyond the end of the stride.
#include "common/tg_pixels.cuh"

// Extents of y: (N, height, width, channels), `count` elements; of x: (N, rows, columns, channels).
TG_KERNEL __launch_bounds__(256)
    resize2d(const float* __restrict__ x, float* __restrict__ y, const int* __restrict__ row_start,
             const int* __restrict__ row_pixel, const float* __restrict__ row_weight,
             const int* __restrict__ column_start, const int* __restrict__ column_pixel,
             const float* __restrict__ column_weight, int count, int height, int width,
             int channels, int rows, int columns) {
  int stride = static_cast<int>(global_threads());
  for (int i = static_cast<int>(global_thread()); i < count; i += stride) {
    Pixel at(i, height, width, channels);
    int row_end = row_start[at.h + 1];
    int column_first = column_start[at.w], column_end = column_start[at.w + 1];
    float sum = 0;
    for (int r = row_start[at.h]; r < row_end; ++r) {
      const float* line = x + (at.n * rows + row_pixel[r]) * columns * channels + at.c;
      float along = 0;
      for (int s = column_first; s < column_end; ++s)
        along += column_weight[s] * line[column_pixel[s] * channels];
      sum += row_weight[r] * along;
    }
    y[i] = sum;
  }
}
