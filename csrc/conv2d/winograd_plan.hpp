// What winograd.cpp and winograd_wgrad.cpp share: how a convolution is cut into tiles and blocks,
// the layout of transformed images, and the packed weights.
//
// Layout. Everything lies in blocks of `lanes` channels (as many as a vector holds; the last ones
// are filled up with zeros). A transformed image holds, for each block of tiles and each of the
// t x t points, (channel block, tile, lane). A point begins a cache line after a multiple of the
// block's size: at powers of two, all points of a tile would compete for one set of L1.
#pragma once

#include "../common/parallel.hpp"
#include "conv2d.hpp"
#include "winograd_matrices.hpp"

namespace TG_ISA {
namespace {

constexpr long kBlockTiles = 140;       // ten register tiles of 14 rows (AVX-512)
constexpr long kGroupColumns = 32;      // output channels of a task: products stay in L2
constexpr long kChunkDepth = 128;       // channels whose weights a task transforms at a time
constexpr long kStageBytes = 8L << 20;  // of transformed images at a time: they stay in L3
constexpr long kTransformBlocks = 4;    // channel blocks that one transforming task maps

struct Tiling {
  long N, C, H, W, O, P, Q, R, S, stride, pad_h, pad_w;
  long tiles_w, tiles;                 // of one image
  long phases, x_blocks, y_blocks;     // channel blocks of x and of y
  long unit_images, units, parts, nb;  // a unit is some images or, in `parts` blocks, one of them
  long points;
};

// Tiles [first, first + count) in the order of (image, row, column).
struct TileBlock {
  long first, count;
};

template <class F>
Tiling tiling_of(const ConvArgs& a) {
  Tiling g = {a.N, a.C, a.H, a.W, a.O, a.P, a.Q, a.R, a.S, a.stride_h, a.pad_h, a.pad_w};
  g.tiles_w = ceil_div(a.Q, F::m), g.tiles = ceil_div(a.P, F::m) * g.tiles_w;
  g.phases = g.stride * g.stride;
  g.x_blocks = ceil_div(a.C, kLanesF), g.y_blocks = ceil_div(a.O, kLanesF);
  g.points = F::t * F::t;
  if (g.tiles <= kBlockTiles) {
    g.units = ceil_div(a.N, kBlockTiles / g.tiles);
    g.unit_images = ceil_div(a.N, g.units), g.units = ceil_div(a.N, g.unit_images);
    g.parts = 1, g.nb = g.unit_images * g.tiles;
  } else {
    g.units = a.N, g.unit_images = 1;
    g.parts = ceil_div(g.tiles, kBlockTiles), g.nb = ceil_div(g.tiles, g.parts);
  }
  return g;
}

TileBlock tile_block(const Tiling& g, long unit, long part) {
  const long images = min_of(g.unit_images, g.N - unit * g.unit_images);
  const long all = images * g.tiles, from = all * part / g.parts;
  return {unit * g.unit_images * g.tiles + from, all * (part + 1) / g.parts - from};
}

// Floats from one point of a block of tiles to the next, and of all points.
TG_INLINE long point_size(const Tiling& g, long channel_blocks) {
  return (channel_blocks * g.nb + 1) * kLanesF;
}

struct Place {
  long n, row, column;  // of a tile
};

TG_INLINE Place place_of(const Tiling& g, long tile) {
  const long at = tile % g.tiles;
  return {tile / g.tiles, at / g.tiles_w, at % g.tiles_w};
}

// A part of an image that a tile covers: pixel (i, j) lies at `first` + i row + j pixel, and is
// inside for top <= i < bottom and left <= j < right.
struct Patch {
  long first, row, pixel, top, bottom, left, right;
};

// Indices i with 0 <= first + i step < size, of [0, count), as [*low, *high).
TG_INLINE void inside(long first, long step, long size, long count, long* low, long* high) {
  *low = min_of(count, first < 0 ? ceil_div(-first, step) : 0);
  *high = max_of(*low, min_of(count, first < size ? ceil_div(size - first, step) : 0));
}

// The t x t pixels of x that phase (a, b) of a tile meets.
template <class F>
Patch patch_of_x(const Tiling& g, const ConvArgs& args, Place at, long phase) {
  const long h = at.row * F::m * g.stride + phase / g.stride - g.pad_h;
  const long w = at.column * F::m * g.stride + phase % g.stride - g.pad_w;
  Patch p = {at.n * args.x_n + h * args.x_h + w * args.x_w, g.stride * args.x_h,
             g.stride * args.x_w};
  inside(h, g.stride, g.H, F::t, &p.top, &p.bottom);
  inside(w, g.stride, g.W, F::t, &p.left, &p.right);
  return p;
}

// The m x m outputs of a tile.
template <class F>
Patch patch_of_y(const Tiling& g, const ConvArgs& args, Place at) {
  const long h = at.row * F::m, w = at.column * F::m;
  return {at.n * args.y_n + h * args.y_h + w * args.y_w,
          args.y_h,
          args.y_w,
          0,
          min_of(F::m, g.P - h),
          0,
          min_of(F::m, g.Q - w)};
}

// Load `lanes` channels of all pixels of a patch; those outside, and channels beyond the last of
// `channels`, are zeros.
template <int N>
TG_INLINE void load_patch(const float* image, const Patch& p, long channels, VF (&out)[N][N]) {
  const float* from = image + p.first;
  const bool whole = channels >= kLanesF;
  if (whole && p.bottom - p.top == N && p.right - p.left == N) {
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) out[i][j] = load(from + i * p.row + j * p.pixel);
    return;
  }
  for (int i = 0; i < N; ++i)
    for (int j = 0; j < N; ++j) {
      const bool here = i >= p.top && i < p.bottom && j >= p.left && j < p.right;
      const float* pixel = from + i * p.row + j * p.pixel;
      out[i][j] = !here ? VF{} : whole ? load(pixel) : load_first(pixel, channels);
    }
}

// Transform [first, last) of the channel blocks of x, of one phase and block of tiles: B^T d B.
template <class F>
void transform_x(const Tiling& g, const ConvArgs& args, TileBlock block, long phase, long first,
                 long last, float* to) {
  const long step = point_size(g, g.phases * g.x_blocks);
  for (long i = 0; i < block.count; ++i) {
    const Patch p = patch_of_x<F>(g, args, place_of(g, block.first + i), phase);
    for (long c = first; c < last; ++c) {
      VF d[F::t][F::t];
      load_patch((const float*)args.x + c * kLanesF, p, g.C - c * kLanesF, d);
      to_points<TURNED>(F::b, d, to + ((phase * g.x_blocks + c) * g.nb + i) * kLanesF, step);
    }
  }
}

// The same of a cotangent of y: A h A^T.
template <class F>
void transform_y(const Tiling& g, const ConvArgs& args, TileBlock block, long first, long last,
                 float* to) {
  const long step = point_size(g, g.y_blocks);
  for (long i = 0; i < block.count; ++i) {
    const Patch p = patch_of_y<F>(g, args, place_of(g, block.first + i));
    for (long o = first; o < last; ++o) {
      VF h[F::m][F::m];
      load_patch((const float*)args.y + o * kLanesF, p, g.O - o * kLanesF, h);
      to_points<AS_IS>(F::a, h, to + (o * g.nb + i) * kLanesF, step);
    }
  }
}

// Transform all blocks of units [first, last): x of all phases, or y. `size` floats a block.
template <class F>
void transform_units(const Tiling& g, const ConvArgs& args, bool of_x, long first, long last,
                     long size, float* to) {
  const long blocks = of_x ? g.x_blocks : g.y_blocks, phases = of_x ? g.phases : 1;
  const long pieces = ceil_div(blocks, kTransformBlocks);
  parallel_for((last - first) * g.parts * phases * pieces, 1, [&](long begin, long end) {
    for (long item = begin; item < end; ++item) {
      const long piece = item % pieces, phase = item / pieces % phases;
      const long at = item / pieces / phases;
      const TileBlock block = tile_block(g, first + at / g.parts, at % g.parts);
      const long from = blocks * piece / pieces, until = blocks * (piece + 1) / pieces;
      if (of_x)
        transform_x<F>(g, args, block, phase, from, until, to + at * size);
      else
        transform_y<F>(g, args, block, from, until, to + at * size);
    }
  });
}

// --- weights, packed as (tap, row, column): rows c and columns o, or the other way round ---

struct Packing {
  float* to;
  long rows, columns;          // as many as there are; `width` columns lie in a row
  long height, width;          // filled up to whole blocks
  long row_step, column_step;  // of w
  long plane() const { return height * width; }
};

TG_INLINE Packing packing_of(const ConvArgs& a, bool columns_are_inputs) {
  const long c = ceil_div(a.C, kLanesF) * kLanesF, o = ceil_div(a.O, kLanesF) * kLanesF;
  if (columns_are_inputs) return {nullptr, a.O, a.C, o, c, a.w_o, a.w_c};
  return {nullptr, a.C, a.O, c, o, a.w_c, a.w_o};
}

// Are the taps and input channels of an output channel a dense row of w? Then blocks are transposed
// in registers: of output channels by entries (channel, tap).
TG_INLINE bool dense_weights(const ConvArgs& a) {
  return a.w_s == 1 && a.w_r == a.S && a.w_c == a.R * a.S;
}

// Pack rows [first, last), which are input channels: blocks of `lanes` output channels by as many
// entries; returns the first of the columns that are left.
TG_INLINE long pack_inputs(const ConvArgs& a, const Packing& p, long first, long last) {
  const long taps = a.R * a.S, from = first * taps, until = min_of(last, p.rows) * taps;
  long j = 0;
  for (; j + kLanesF <= p.columns; j += kLanesF) {
    const float* w = (const float*)a.w + j * a.w_o;
    long e = from;
    for (; e + kLanesF <= until; e += kLanesF) {
      float* to[kLanesF];
      for (long i = 0; i < kLanesF; ++i)
        to[i] = p.to + (e + i) % taps * p.plane() + (e + i) / taps * p.width + j;
      transpose(w + e, a.w_o, to);
    }
    for (; e < until; ++e)
      for (long i = 0; i < kLanesF; ++i)
        p.to[e % taps * p.plane() + e / taps * p.width + j + i] = w[i * a.w_o + e];
  }
  return j;
}

// Pack rows [first, last), which are output channels: blocks of `lanes` input channels by as many
// taps. The last loads of a row reach into the next, so the last row is left to the caller.
TG_INLINE long pack_outputs(const ConvArgs& a, const Packing& p, long first, long last) {
  const long taps = a.R * a.S;
  if (last >= p.rows) return 0;
  long j = 0;
  for (; j + kLanesF <= p.columns; j += kLanesF)
    for (long row = first; row < last; ++row)
      for (long tap = 0; tap < taps; tap += kLanesF) {
        float* to[kLanesF];
        for (long i = 0; i < kLanesF; ++i)
          to[i] = tap + i < taps ? p.to + (tap + i) * p.plane() + row * p.width + j : nullptr;
        transpose((const float*)a.w + row * a.w_o + j * taps + tap, taps, to);
      }
  return j;
}

// to[tap][row][column] = w, with zeros beyond the last row and column.
TG_INLINE void pack_rows(const ConvArgs& a, const Packing& p, long first, long last) {
  const long plane = p.plane();
  const bool inputs = p.row_step == a.w_c && p.column_step == a.w_o;
  long done = 0;
  if (dense_weights(a))
    done = inputs ? pack_inputs(a, p, first, last) : pack_outputs(a, p, first, last);
  for (long row = first; row < last; ++row)
    for (long r = 0; r < a.R; ++r)
      for (long s = 0; s < a.S; ++s) {
        float* to = p.to + (r * a.S + s) * plane + row * p.width;
        const float* tap = (const float*)a.w + row * p.row_step + r * a.w_r + s * a.w_s;
        const bool here = row < p.rows;
        for (long j = here ? done : 0; j < p.width; ++j)
          to[j] = here && j < p.columns ? tap[j * p.column_step] : 0;
      }
}

TG_INLINE void pack_weights(const ConvArgs& a, const Packing& p) {
  parallel_for(p.height, kLanesF, [&](long begin, long end) { pack_rows(a, p, begin, end); });
}

// Taps (i, j) of a phase, r x r of them: offsets into packed weights, or -1 for those that the
// kernel lacks (a 5 x 5 kernel at stride 2 has phases of 3 x 3, 3 x 2, 2 x 3 and 2 x 2).
template <class F>
void taps_of(const Tiling& g, const Packing& p, long phase, long (&offset)[F::r * F::r]) {
  for (long i = 0; i < F::r; ++i)
    for (long j = 0; j < F::r; ++j) {
      const long r = i * g.stride + phase / g.stride, s = j * g.stride + phase % g.stride;
      offset[i * F::r + j] = r < g.R && s < g.S ? (r * g.S + s) * p.plane() : -1;
    }
}

// use(Winograd<m, r>{}) of the algorithm that a call asks for.
template <class Use>
auto with_matrices(const ConvArgs& a, int m, const Use& use) {
  const bool two = phase_taps(a) == 2;
  if (m == 2) return two ? use(Winograd<2, 2>{}) : use(Winograd<2, 3>{});
  return two ? use(Winograd<4, 2>{}) : use(Winograd<4, 3>{});
}

}  // namespace
}  // namespace TG_ISA
