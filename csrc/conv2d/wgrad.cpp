// conv2d_wgrad as a GEMM whose sum runs over output pixels.
//
//   w[o,c,r,s] = sum_{n,p,q} x[n, p stride - pad + r dil, ...][c] y[n,p,q][o]
//
// Mapping. A register tile is up to kRows input channels by one panel of output channels, for one
// tap. A task owns such a tile for all taps and all pixels; if there are few tiles, as for an
// image's channels, the pixels are cut into parts, and a task owns one. It walks the output in
// blocks of lines (part of a row of q). If several taps share a block, it copies the panel's
// columns of y into L1. Then, for each tap, it adds the outer products x[pixel] y[pixel]^T of the
// pixels that lie inside the image. In NHWC the pixels of a line that one tap sees are a fixed
// stride apart, so a line is one pointer and one length, and nothing of x is copied.
//
// Traffic, per multiply-add of a full tile: 1/kRows loads of y (L1) and 1/(kVectors lanes)
// broadcasts of x (L2). Each output is summed by one thread: over the pixels of a block in
// registers, then over the blocks in order, then over the parts. All depend on the shape only, so
// the bits do not depend on the number of threads, and the error grows with the block and the
// number of blocks, not their product.
//
// Tails. Channels are cut into equal tiles and each height has its own code; columns beyond the
// last channel are zeros in the copied panel and are not written. Reference:
// kernels/conv2d/reference.py.

#include "plan.hpp"

namespace TG_ISA {
namespace {

constexpr long kBlockPixels = 256;  // a panel of so many pixels fits L1
constexpr long kMinTasks = 16;      // with fewer tiles, the pixels are divided too

template <class T>
struct Segment {
  const T *x, *y;
  long pixels;
};

// Part of a row of output pixels: q in [first, last) of row p, seen through tap (0, 0) from row h.
template <class T>
struct Line {
  const T *image, *y;  // the image of x; y at `first`, here or in the copied panel
  long h, first, last;
};

template <class T>
struct Wgrad {
  const T *x, *y;
  T* w;
  long N, H, W, P, Q, R, S, groups;
  long stride_h, stride_w, pad_h, pad_w, dil_h, dil_w;
  long x_n, x_h, x_w, y_n, y_h, y_w;
  long inner, rows, cols;  // rows = S' x inner channels of x (S' > 1 for merged kernel rows)
  long w_o, w_outer, w_inner, w_r, w_s, w_group;
  int slots;
  // how the work is cut: fixed by the shape
  long row_blocks, panels, parts;        // a part is a range of blocks of lines
  long span, spans, lines, block_lines;  // a line is `span` of the Q pixels
  // carved from the workspace
  T *padded, *panel, *sums;
  Segment<T>* segments;
  Line<T>* lists;

  long taps() const { return R * S; }
  long panel_count() const { return block_lines * span * tile_columns<T>(); }
  long tiles() const { return groups * row_blocks * panels; }
  long blocks() const { return ceil_div(lines, block_lines); }
  long sum_count() const { return taps() * kRows * tile_columns<T>(); }
};

template <class T>
Wgrad<T> wgrad_plan(const ConvArgs& a) {
  Wgrad<T> g = {};
  const bool merged = merges_kernel_row(a);
  g.x = (const T*)a.x, g.y = (const T*)a.y, g.w = (T*)a.w;
  g.N = a.N, g.H = a.H, g.W = a.W, g.P = a.P, g.Q = a.Q, g.R = a.R, g.S = merged ? 1 : a.S;
  g.groups = a.groups;
  g.stride_h = a.stride_h, g.stride_w = a.stride_w, g.pad_h = a.pad_h, g.pad_w = a.pad_w;
  g.dil_h = a.dil_h, g.dil_w = a.dil_w;
  g.x_n = a.x_n, g.x_h = a.x_h, g.x_w = a.x_w, g.y_n = a.y_n, g.y_h = a.y_h, g.y_w = a.y_w;
  g.inner = a.C / a.groups, g.rows = g.inner * (merged ? a.S : 1), g.cols = a.O / a.groups;
  g.w_o = a.w_o, g.w_outer = a.w_s, g.w_inner = a.w_c, g.w_r = a.w_r, g.w_s = a.w_s;
  g.w_group = g.cols * a.w_o;
  g.slots = a.slots;
  g.row_blocks = ceil_div(g.rows, kRows), g.panels = ceil_div(g.cols, tile_columns<T>());
  g.span = min_of(g.Q, kBlockPixels), g.spans = ceil_div(g.Q, g.span);
  g.lines = g.N * g.P * g.spans;
  g.block_lines = max_of(1, min_of(g.lines, kBlockPixels / g.span));
  g.parts = min_of(max_of(g.blocks(), 1), ceil_div(kMinTasks, max_of(g.tiles(), 1)));
  return g;
}

template <class T>
size_t carve(Wgrad<T>& g, const ConvArgs& a, void* workspace) {
  Carver carver = {(char*)workspace, 0};
  g.padded = carver.template take<T>(merges_kernel_row(a) ? padded_size(a) : 0);
  g.panel = carver.template take<T>(g.slots * g.panel_count());
  g.sums = carver.template take<T>((g.parts > 1 ? g.parts * g.tiles() : g.slots) * g.sum_count());
  g.segments = carver.template take<Segment<T>>(g.slots * g.block_lines);
  g.lists = carver.template take<Line<T>>(g.slots * g.block_lines);
  return carver.used;
}

// sums (ROWS, columns) += sum over the segments' pixels of x (ROWS) y^T (columns).
template <class T, int ROWS>
void tile(const Segment<T>* segments, long count, long x_step, long y_step, T* sums) {
  typedef typename Simd<T>::V V;
  constexpr int lanes = Simd<T>::lanes;
  V acc[ROWS][kVectors] = {};
  for (const Segment<T>* segment = segments; segment != segments + count; ++segment) {
    const T *x = segment->x, *y = segment->y;
    for (long q = segment->pixels; q > 0; --q, x += x_step, y += y_step) {
      V b[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) b[v] = load(y + v * lanes);
#pragma GCC unroll 16
      for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) acc[i][v] += x[i] * b[v];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v, sums += lanes) store<T>(sums, load(sums) + acc[i][v]);
}

template <class T, int ROWS = kRows>
void tile_of(long rows, const Segment<T>* segments, long count, long x_step, long y_step, T* sums) {
  if (rows == ROWS) return tile<T, ROWS>(segments, count, x_step, y_step, sums);
  if constexpr (ROWS > 1) tile_of<T, ROWS - 1>(rows, segments, count, x_step, y_step, sums);
}

// List the lines [first, last), and copy the panel's columns of y for them unless `to` is null.
template <class T>
void list_lines(const Wgrad<T>& g, long first, long last, const T* x, long col, long valid, T* to,
                Line<T>* lines) {
  constexpr long width = tile_columns<T>();
  for (long at = first; at < last; ++at, ++lines) {
    const long q = at % g.spans * g.span, p = at / g.spans % g.P, n = at / g.spans / g.P;
    const T* from = g.y + n * g.y_n + p * g.y_h + q * g.y_w + col;
    *lines = {x + n * g.x_n, to ? to : from, p * g.stride_h - g.pad_h, q, min_of(q + g.span, g.Q)};
    for (long i = q; to && i < lines->last; ++i, from += g.y_w, to += width) {
      if (valid == width) {
        memcpy(to, from, width * sizeof(T));
      } else {
        for (long j = 0; j < width; ++j) to[j] = j < valid ? from[j] : 0;
      }
    }
  }
}

// The parts of the lines that tap (r, s) sees inside the image; returns how many there are.
template <class T>
long list_segments(const Wgrad<T>& g, const Line<T>* lines, long count, long r, long s, long y_step,
                   Segment<T>* segments) {
  const long top = r * g.dil_h, left = s * g.dil_w - g.pad_w;  // w = q stride_w + left
  const long q_first = left < 0 ? ceil_div(-left, g.stride_w) : 0;
  const long q_last = left >= g.W ? 0 : (g.W - 1 - left) / g.stride_w + 1;
  long found = 0;
  for (const Line<T>* line = lines; line != lines + count; ++line) {
    const long h = line->h + top;
    const long from = max_of(line->first, q_first), to = min_of(line->last, q_last);
    if (h >= 0 && h < g.H && from < to)
      segments[found++] = {line->image + h * g.x_h + (from * g.stride_w + left) * g.x_w,
                           line->y + (from - line->first) * y_step, to - from};
  }
  return found;
}

// A register tile of w: up to kRows channels from `row` by a panel of columns from `col`.
struct Tile {
  long group, row, rows, col, cols;
};

template <class T>
Tile tile_at(const Wgrad<T>& g, long index) {
  constexpr long width = tile_columns<T>();
  const long row_block = index % g.row_blocks, panel = index / g.row_blocks % g.panels;
  const long row = g.rows * row_block / g.row_blocks, col = panel * width;
  return {index / g.row_blocks / g.panels, row, g.rows * (row_block + 1) / g.row_blocks - row, col,
          min_of(width, g.cols - col)};
}

// Write a tile's sums to w, transposed from (tap, channel, column): in blocks where w is OIHW, so
// that the taps of a column are a dense row, and as many as vectors hold.
template <class T>
void write_out(const Wgrad<T>& g, const Tile& tile, const T* sums) {
  constexpr long lanes = Simd<T>::lanes, width = tile_columns<T>();
  const bool blocks = g.w_s == 1 && g.w_r == g.S && g.taps() % lanes == 0;
  const long in_blocks = blocks ? tile.cols / lanes * lanes : 0;
  for (long i = 0; i < tile.rows; ++i) {
    const long outer = (tile.row + i) / g.inner, inner = (tile.row + i) % g.inner;
    T* w = g.w + tile.group * g.w_group + tile.col * g.w_o + outer * g.w_outer + inner * g.w_inner;
    for (long j = 0; j < in_blocks; j += lanes)
      for (long t = 0; t < g.taps(); t += lanes) {
        T* to[lanes];
        for (long l = 0; l < lanes; ++l) to[l] = w + (j + l) * g.w_o + t;
        transpose<T>(sums + (t * kRows + i) * width + j, kRows * width, to);
      }
    for (long j = in_blocks; j < tile.cols; ++j)
      for (long t = 0; t < g.taps(); ++t)
        w[j * g.w_o + t / g.S * g.w_r + t % g.S * g.w_s] = sums[(t * kRows + i) * width + j];
  }
}

// Sum one tile over the blocks [first_block, last_block) of lines.
template <class T>
void sum_blocks(const Wgrad<T>& g, const Tile& of, long first_block, long last_block, T* sums) {
  constexpr long width = tile_columns<T>();
  T* panel = g.panel + tg_thread_index() * g.panel_count();
  Segment<T>* segments = g.segments + tg_thread_index() * g.block_lines;
  Line<T>* lines = g.lists + tg_thread_index() * g.block_lines;
  const T* x = g.x + of.group * g.inner + of.row;
  const bool in_place = of.cols == width && g.taps() == 1;  // a copy pays if taps share it
  const long x_step = g.stride_w * g.x_w, y_step = in_place ? g.y_w : width;
  memset(sums, 0, (size_t)g.sum_count() * sizeof(T));
  for (long block = first_block; block < last_block; ++block) {
    const long first = block * g.block_lines, last = min_of(g.lines, first + g.block_lines);
    list_lines(g, first, last, x, of.group * g.cols + of.col, of.cols, in_place ? nullptr : panel,
               lines);
    for (long t = 0; t < g.taps(); ++t) {
      const long count = list_segments(g, lines, last - first, t / g.S, t % g.S, y_step, segments);
      tile_of<T>(of.rows, segments, count, x_step, y_step, sums + t * kRows * width);
    }
  }
}

// One task is one tile and all pixels.
template <class T>
void run_tiles(const Wgrad<T>& g) {
  parallel_for_on(g.slots, g.tiles(), 1, [&](long begin, long end) {
    T* sums = g.sums + tg_thread_index() * g.sum_count();
    for (long i = begin; i < end; ++i) {
      const Tile of = tile_at(g, i);
      sum_blocks(g, of, 0, g.blocks(), sums);
      write_out(g, of, sums);
    }
  });
}

// Few tiles: one task is one tile and one part of the pixels, and the parts are added in order.
template <class T>
void run_parts(const Wgrad<T>& g) {
  const long tiles = g.tiles(), count = g.sum_count();
  parallel_for_on(g.slots, g.parts * tiles, 1, [&](long begin, long end) {
    for (long i = begin; i < end; ++i) {
      const long part = i / tiles;  // tiles of one part share its pixels: run them in a row
      sum_blocks(g, tile_at(g, i % tiles), g.blocks() * part / g.parts,
                 g.blocks() * (part + 1) / g.parts, g.sums + i * count);
    }
  });
  parallel_for(tiles, 1, [&](long begin, long end) {
    for (long i = begin; i < end; ++i) {
      T* sums = g.sums + i * count;
      for (long part = 1; part < g.parts; ++part)
        for (long k = 0; k < count; ++k) sums[k] += sums[part * tiles * count + k];
      write_out(g, tile_at(g, i), sums);
    }
  });
}

template <class T>
void run(const ConvArgs& args, void* workspace) {
  Wgrad<T> g = wgrad_plan<T>(args);
  carve(g, args, workspace);
  if (merges_kernel_row(args)) {
    pad_image(args, g.padded);
    g = wgrad_plan<T>(on_padded(args, g.padded));
    carve(g, args, workspace);
  }
  g.parts > 1 ? run_parts(g) : run_tiles(g);
}

template <class T>
size_t bytes(const ConvArgs& args) {
  Wgrad<T> g = wgrad_plan<T>(args);
  return carve(g, args, nullptr);
}

}  // namespace

size_t wgrad_bytes(const ConvArgs& args) {
  return args.is_double ? bytes<double>(args) : bytes<float>(args);
}

void wgrad(const ConvArgs& args, void* workspace) {
  args.is_double ? run<double>(args, workspace) : run<float>(args, workspace);
}

}  // namespace TG_ISA
