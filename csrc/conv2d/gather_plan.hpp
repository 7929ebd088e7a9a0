// The plan of gather.cpp: how a pass maps to gathered rows, which taps each phase has, and the
// packed weights.
#pragma once

#include "plan.hpp"

namespace TG_ISA {
namespace {

constexpr long kTiles = 4;          // tiles in a task: their pixels stay in L2 for all panels
constexpr long kNarrowColumns = 4;  // up to so many output channels take narrow_tile
constexpr long kPackChannels = 16;  // channels that one packing task copies

struct Tap {
  long h, w;    // input pixel = output pixel * mul + (h, w)
  long weight;  // offset of its weights
};

struct Phase {
  long h, w, rows, columns;  // outputs (h + i step_h, w + j step_w), i < rows, j < columns
  long first_tap, last_tap;  // taps [first_tap, last_tap) of the packed order
};

template <class T>
struct Gather {
  const T *a, *w;
  T* out;
  long N, in_h, in_w, a_n, a_h, a_w;  // the image that is read
  long out_h, out_w, o_n, o_h, o_w;   // the image that is written
  long mul_h, mul_w, step_h, step_w;  // input step and phase count, per axis
  long sign, pad_h, pad_w, dil_h, dil_w;
  long R, S;                        // taps
  long groups, outer, inner, cols;  // depth of a tap = outer x inner channels
  long w_group, w_outer, w_inner, w_col, w_r, w_s;
  int slots;
  // how weights are packed: element (tap, channel k, column j) of a panel lies at
  // tap * per_tap + k * k_step + j * j_step
  bool narrow;  // few columns: vectors run along the channels instead (narrow_tile)
  long width, k_step, j_step, per_tap;
  // carved from the workspace
  Tap* taps;
  Phase* phases;
  long* places;  // of tap r S + s: its index in `taps`, or -1 if no output meets it
  T* zeros;
  T* packed;
  T* padded;
  long tap_count;
  const T** pointers;
  long* active;

  long depth() const { return outer * inner; }
  long panels() const { return ceil_div(cols, width); }
  long phase_count() const { return min_of(step_h, out_h) * min_of(step_w, out_w); }
  long panel_size() const { return R * S * per_tap; }
  long pointer_count() const { return kTiles * R * S * kRows; }
  long active_count() const { return kTiles * (R * S + 1); }
};

// Choose panel width and order, and part the taps by a cache line: at a power of two they would all
// compete for the same few lines of L1.
template <class T>
void choose_packing(Gather<T>& g) {
  constexpr long lanes = Simd<T>::lanes;
  g.narrow = g.cols <= kNarrowColumns && g.depth() >= lanes;
  g.width = g.narrow ? g.cols : g.cols <= lanes ? lanes : kVectors * lanes;
  const long padded = ceil_div(g.depth(), lanes) * lanes;
  g.k_step = g.narrow ? 1 : g.width;
  g.j_step = g.narrow ? padded : 1;
  g.per_tap = (g.narrow ? padded : g.depth()) * g.width + 64 / (long)sizeof(T);
}

template <class T>
Gather<T> forward_plan(const ConvArgs& a) {
  Gather<T> g = {};
  const bool merged = merges_kernel_row(a);
  g.a = (const T*)a.x, g.w = (const T*)a.w, g.out = (T*)a.y;
  g.N = a.N, g.in_h = a.H, g.in_w = a.W, g.a_n = a.x_n, g.a_h = a.x_h, g.a_w = a.x_w;
  g.out_h = a.P, g.out_w = a.Q, g.o_n = a.y_n, g.o_h = a.y_h, g.o_w = a.y_w;
  g.mul_h = a.stride_h, g.mul_w = a.stride_w, g.step_h = g.step_w = 1;
  g.sign = 1, g.pad_h = a.pad_h, g.pad_w = a.pad_w, g.dil_h = a.dil_h, g.dil_w = a.dil_w;
  g.R = a.R, g.S = merged ? 1 : a.S;
  g.groups = a.groups, g.outer = merged ? a.S : 1, g.inner = a.C / a.groups;
  g.cols = a.O / a.groups;
  g.w_group = g.cols * a.w_o, g.w_outer = a.w_s, g.w_inner = a.w_c, g.w_col = a.w_o;
  g.w_r = a.w_r, g.w_s = a.w_s;
  g.slots = a.slots;
  choose_packing(g);
  return g;
}

template <class T>
Gather<T> dgrad_plan(const ConvArgs& a) {
  Gather<T> g = {};
  g.a = (const T*)a.y, g.w = (const T*)a.w, g.out = (T*)a.x;
  g.N = a.N, g.in_h = a.P, g.in_w = a.Q, g.a_n = a.y_n, g.a_h = a.y_h, g.a_w = a.y_w;
  g.out_h = a.H, g.out_w = a.W, g.o_n = a.x_n, g.o_h = a.x_h, g.o_w = a.x_w;
  g.mul_h = g.mul_w = 1, g.step_h = a.stride_h, g.step_w = a.stride_w;
  g.sign = -1, g.pad_h = a.pad_h, g.pad_w = a.pad_w, g.dil_h = a.dil_h, g.dil_w = a.dil_w;
  g.R = a.R, g.S = a.S;
  g.groups = a.groups, g.outer = 1, g.inner = a.O / a.groups, g.cols = a.C / a.groups;
  g.w_group = g.inner * a.w_o, g.w_inner = a.w_o, g.w_col = a.w_c;
  g.w_r = a.w_r, g.w_s = a.w_s;
  g.slots = a.slots;
  choose_packing(g);
  return g;
}

template <class T>
size_t carve(Gather<T>& g, const ConvArgs& a, void* workspace) {
  Carver carver = {(char*)workspace, 0};
  g.taps = carver.template take<Tap>(g.R * g.S);
  g.phases = carver.template take<Phase>(g.phase_count());
  g.places = carver.template take<long>(g.R * g.S);
  g.zeros = carver.template take<T>(g.depth());
  g.packed = carver.template take<T>(g.groups * g.panels() * g.panel_size());
  g.padded = carver.template take<T>(merges_kernel_row(a) ? padded_size(a) : 0);
  g.pointers = carver.template take<const T*>(g.slots * g.pointer_count());
  g.active = carver.template take<long>(g.slots * g.active_count());
  return carver.used;
}

// The tap at distance `reach` = r dil of the window's edge, for outputs at `first` + i step: true
// if it meets them, at input i mul + *offset.
TG_INLINE bool meets(long first, long reach, long pad, long sign, long step, long* offset) {
  const long at = first + sign * (reach - pad);
  *offset = at / step;
  return at % step == 0;
}

// Pack channel k of as many columns as a vector has lanes, from OIHW weights: there, a column's
// taps are a dense row, so blocks of (column, tap) are read by rows and written by columns.
template <class T>
void pack_block(const Gather<T>& g, const T* from, T* packed) {
  constexpr long lanes = Simd<T>::lanes;
  for (long tap = 0; tap < g.R * g.S; tap += lanes) {
    T* to[lanes];
    for (long i = 0; i < lanes; ++i)
      to[i] = g.places[tap + i] < 0 ? nullptr : packed + g.places[tap + i] * g.per_tap;
    transpose<T>(from + tap, g.w_col, to);
  }
}

// Pack channels [k_first, k_last) of one (group, panel); columns beyond the last are zeros.
template <class T>
void pack_channels(const Gather<T>& g, long group, long panel, long k_first, long k_last) {
  const long col = panel * g.width, valid = min_of(g.width, g.cols - col);
  T* packed = g.packed + (group * g.panels() + panel) * g.panel_size();
  const bool blocks = !g.narrow && g.w_s == 1 && g.w_r == g.S && g.R * g.S % Simd<T>::lanes == 0;
  const long in_blocks = blocks ? valid / Simd<T>::lanes * Simd<T>::lanes : 0;
  for (long k = k_first; k < k_last; ++k) {
    const T* from =
        g.w + group * g.w_group + col * g.w_col + k / g.inner * g.w_outer + k % g.inner * g.w_inner;
    for (long j = 0; j < in_blocks; j += Simd<T>::lanes)
      pack_block(g, from + j * g.w_col, packed + k * g.k_step + j);
    for (long j = in_blocks; j < g.width; ++j) {
      T* to = packed + k * g.k_step + j * g.j_step;
      const T* column = from + j * g.w_col;
      if (j < valid && k < g.depth()) {
        for (long t = 0; t < g.tap_count; ++t) to[t * g.per_tap] = column[g.taps[t].weight];
      } else {
        for (long t = 0; t < g.tap_count; ++t) to[t * g.per_tap] = 0;
      }
    }
  }
}

// List the phases and their taps, and pack the weights in that order of taps.
template <class T>
void prepare(Gather<T>& g) {
  memset(g.zeros, 0, (size_t)g.depth() * sizeof(T));
  for (long t = 0; t < g.R * g.S; ++t) g.places[t] = -1;
  long count = 0;
  Phase* phase = g.phases;
  for (long h = 0; h < min_of(g.step_h, g.out_h); ++h)
    for (long w = 0; w < min_of(g.step_w, g.out_w); ++w, ++phase) {
      *phase = {h, w, ceil_div(g.out_h - h, g.step_h), ceil_div(g.out_w - w, g.step_w), count, 0};
      Tap tap;
      for (long r = 0; r < g.R; ++r)
        for (long s = 0; s < g.S; ++s)
          if (meets(h, r * g.dil_h, g.pad_h, g.sign, g.step_h, &tap.h) &&
              meets(w, s * g.dil_w, g.pad_w, g.sign, g.step_w, &tap.w)) {
            tap.weight = r * g.w_r + s * g.w_s;
            g.places[r * g.S + s] = count;
            g.taps[count++] = tap;
          }
      phase->last_tap = count;
    }
  g.tap_count = count;
  const long channels = g.narrow ? g.j_step : g.depth(), blocks = ceil_div(channels, kPackChannels);
  parallel_for(g.groups * g.panels() * blocks, 1, [&](long begin, long end) {
    for (long item = begin; item < end; ++item) {
      const long k = item % blocks * kPackChannels, panel = item / blocks % g.panels();
      pack_channels(g, item / blocks / g.panels(), panel, k, min_of(channels, k + kPackChannels));
    }
  });
}

}  // namespace
}  // namespace TG_ISA
