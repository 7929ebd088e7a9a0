// conv2d and conv2d_dgrad as one implicit GEMM that gathers its rows through pointers.
//
//   conv2d        y[n,p,q,o] = sum_{r,s,c} x[n, p stride - pad + r dil, ...][c] w[o,c,r,s]
//   conv2d_dgrad  x[n,h,w,c] = sum_{r,s,o} y[n, (h + pad - r dil) / stride, ...][o] w[o,c,r,s]
//                              over the taps (r, s) for which the division leaves no remainder
//
// Both say: an output pixel is a sum, over taps, of (a pixel's channel vector) x (a matrix per
// tap), and the pixel's position is affine in the output's. For dgrad the taps without remainder
// depend on (h + pad) mod stride, so the output falls into stride_h x stride_w phases; inside a
// phase the list of taps is fixed and nothing is multiplied by zero: a 4 x 4 stride-2 kernel
// becomes four 2 x 2 ones. The forward pass is the case of one phase.
//
// Mapping. Rows of the GEMM are output pixels, columns are output channels, the sum runs over
// (tap, channel). A task owns kTiles tiles of kRows pixels and a group of column panels. It makes a
// table of kRows pointers per tap (a pixel outside the image points at zeros) and skips taps where
// the whole tile is outside; then, for every panel, the tile's sums stay in registers from the
// first tap to the last. Nothing is copied but the weights, packed once into (panel, tap, channel,
// column).
//
// Traffic, per multiply-add of a full tile: 1/kRows column loads (L2) and 1/(kVectors lanes)
// broadcasts (L1). Every output is summed by one thread in the order (tap, channel), so the bits do
// not depend on the number of threads.
//
// Tails. Rows beyond the last pixel read zeros and are not stored; columns beyond the last channel
// are zeros in the packed weights and are not stored. Reference: kernels/conv2d/reference.py.

#include "plan.hpp"

namespace TG_ISA {
namespace {

constexpr long kTiles = 4;           // tiles in a task: their pixels stay in L2 for all panels
constexpr long kPanelGroup = 4;      // panels in a task
constexpr long kPixelMajorMax = 64;  // phases of at most so many pixels put the batch innermost

struct Tap {
  long r, s;
  long h, w;  // input pixel = output pixel * mul + (h, w)
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
  // carved from the workspace
  Tap* taps;
  Phase* phases;
  T* zeros;
  T* packed;
  T* padded;
  const T** pointers;
  long* active;

  long depth() const { return outer * inner; }
  long panels() const { return ceil_div(cols, tile_columns<T>()); }
  long phase_count() const { return min_of(step_h, out_h) * min_of(step_w, out_w); }
  long panel_size() const { return R * S * depth() * tile_columns<T>(); }
  long pointer_count() const { return kTiles * R * S * kRows; }
  long active_count() const { return kTiles * (R * S + 1); }
};

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
  return g;
}

template <class T>
size_t carve(Gather<T>& g, const ConvArgs& a, void* workspace) {
  Carver carver = {(char*)workspace, 0};
  g.taps = carver.template take<Tap>(g.R * g.S);
  g.phases = carver.template take<Phase>(g.phase_count());
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

// Pack one (group, panel, tap) of the weights into (channel, column), columns padded with zeros.
template <class T>
void pack_tap(const Gather<T>& g, long group, long panel, const Tap& tap, T* to) {
  constexpr long width = tile_columns<T>();
  const long col = panel * width, valid = min_of(width, g.cols - col);
  const T* from = g.w + group * g.w_group + col * g.w_col + tap.r * g.w_r + tap.s * g.w_s;
  for (long outer = 0; outer < g.outer; ++outer)
    for (long inner = 0; inner < g.inner; ++inner, to += width) {
      const T* row = from + outer * g.w_outer + inner * g.w_inner;
      for (long j = 0; j < valid; ++j) to[j] = row[j * g.w_col];
      for (long j = valid; j < width; ++j) to[j] = 0;
    }
}

// List the phases and their taps, and pack the weights in that order of taps.
template <class T>
void prepare(Gather<T>& g) {
  memset(g.zeros, 0, (size_t)g.depth() * sizeof(T));
  long count = 0;
  Phase* phase = g.phases;
  for (long h = 0; h < min_of(g.step_h, g.out_h); ++h)
    for (long w = 0; w < min_of(g.step_w, g.out_w); ++w, ++phase) {
      *phase = {h, w, ceil_div(g.out_h - h, g.step_h), ceil_div(g.out_w - w, g.step_w), count, 0};
      Tap tap;
      for (tap.r = 0; tap.r < g.R; ++tap.r)
        for (tap.s = 0; tap.s < g.S; ++tap.s)
          if (meets(h, tap.r * g.dil_h, g.pad_h, g.sign, g.step_h, &tap.h) &&
              meets(w, tap.s * g.dil_w, g.pad_w, g.sign, g.step_w, &tap.w))
            g.taps[count++] = tap;
      phase->last_tap = count;
    }
  const long per_tap = g.depth() * tile_columns<T>();
  parallel_for(g.groups * g.panels() * count, 1, [&](long begin, long end) {
    for (long item = begin; item < end; ++item) {
      const long t = item % count, panel = item / count % g.panels();
      const long group = item / count / g.panels();
      T* to = g.packed + (group * g.panels() + panel) * g.panel_size() + t * per_tap;
      pack_tap(g, group, panel, g.taps[t], to);
    }
  });
}

// One register tile: sum over the active taps and their channels, then store `cols` columns.
template <class T, int NV>
void tile(const T* const* pointers, const long* active, long depth, const T* panel, T* const* out,
          long cols) {
  typedef typename Simd<T>::V V;
  constexpr int lanes = Simd<T>::lanes;
  V acc[kRows][NV] = {};
  for (long t = 1; t <= active[0]; ++t, pointers += kRows) {
    const T* column = panel + active[t] * depth * tile_columns<T>();
    for (long k = 0; k < depth; ++k, column += tile_columns<T>()) {
      V b[NV];
#pragma GCC unroll 2
      for (int v = 0; v < NV; ++v) b[v] = load(column + v * lanes);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 2
        for (int v = 0; v < NV; ++v) acc[i][v] += pointers[i][k] * b[v];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    if (!out[i]) continue;
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) {
      const long left = cols - v * lanes;
      if (left >= lanes)
        store<T>(out[i] + v * lanes, acc[i][v]);
      else if (left > 0)
        store_first<T>(out[i] + v * lanes, acc[i][v], left);
    }
  }
}

struct Pixel {
  long n, i, j;
};

template <class T>
Pixel pixel_of(const Gather<T>& g, const Phase& phase, long m) {
  const long area = phase.rows * phase.columns;
  const bool pixel_major = area <= kPixelMajorMax;
  const long at = pixel_major ? m / g.N : m % area;
  return {pixel_major ? m % g.N : m / area, at / phase.columns, at % phase.columns};
}

// Fill the pointer table of one tile: kRows pointers for each tap that meets the image at all.
template <class T>
void point(const Gather<T>& g, const Phase& phase, const T* image, const Pixel* pixels, int rows,
           const T** pointers, long* active) {
  active[0] = 0;
  for (long t = phase.first_tap; t < phase.last_tap; ++t) {
    bool meets_image = false;
    for (int i = 0; i < kRows; ++i) {
      pointers[i] = g.zeros;
      if (i >= rows) continue;
      const long h = pixels[i].i * g.mul_h + g.taps[t].h, w = pixels[i].j * g.mul_w + g.taps[t].w;
      if (h < 0 || h >= g.in_h || w < 0 || w >= g.in_w) continue;
      pointers[i] = image + pixels[i].n * g.a_n + h * g.a_h + w * g.a_w;
      meets_image = true;
    }
    if (!meets_image) continue;
    active[++active[0]] = t;
    pointers += kRows;
  }
}

// One task: kTiles tiles of pixels, a group of panels.
template <class T>
void run_task(const Gather<T>& g, const Phase& phase, long group, long block, long panel_group) {
  constexpr long width = tile_columns<T>();
  const long pixels_in_all = g.N * phase.rows * phase.columns, taps = g.R * g.S;
  const T** pointers = g.pointers + tg_thread_index() * g.pointer_count();
  long* active = g.active + tg_thread_index() * g.active_count();
  T* out[kTiles][kRows];
  long tiles = 0;
  for (long m = block * kTiles * kRows; tiles < kTiles && m < pixels_in_all; ++tiles, m += kRows) {
    Pixel pixels[kRows] = {};
    const int rows = (int)min_of(kRows, pixels_in_all - m);
    for (int i = 0; i < kRows; ++i) {
      out[tiles][i] = nullptr;
      if (i >= rows) continue;
      pixels[i] = pixel_of(g, phase, m + i);
      out[tiles][i] = g.out + group * g.cols + pixels[i].n * g.o_n +
                      (phase.h + pixels[i].i * g.step_h) * g.o_h +
                      (phase.w + pixels[i].j * g.step_w) * g.o_w;
    }
    point(g, phase, g.a + group * g.inner, pixels, rows, pointers + tiles * taps * kRows,
          active + tiles * (taps + 1));
  }
  const long last = min_of(g.panels(), (panel_group + 1) * kPanelGroup);
  for (long panel = panel_group * kPanelGroup; panel < last; ++panel) {
    const T* packed = g.packed + (group * g.panels() + panel) * g.panel_size();
    const long cols = min_of(width, g.cols - panel * width);
    for (long t = 0; t < tiles; ++t) {
      T* to[kRows];
      for (int i = 0; i < kRows; ++i) to[i] = out[t][i] ? out[t][i] + panel * width : nullptr;
      auto kernel = cols > Simd<T>::lanes ? &tile<T, kVectors> : &tile<T, 1>;
      kernel(pointers + t * taps * kRows, active + t * (taps + 1), g.depth(), packed, to, cols);
    }
  }
}

template <class T>
void run(const ConvArgs& args, void* workspace) {
  Gather<T> g = args.pass == CONV_DGRAD ? dgrad_plan<T>(args) : forward_plan<T>(args);
  carve(g, args, workspace);
  if (merges_kernel_row(args)) {
    pad_image(args, g.padded);
    g = forward_plan<T>(on_padded(args, g.padded));
    carve(g, args, workspace);
  }
  prepare(g);
  const long pixels = g.N * ceil_div(g.out_h, g.step_h) * ceil_div(g.out_w, g.step_w);
  const long blocks = ceil_div(pixels, kTiles * kRows);
  const long panel_groups = ceil_div(g.panels(), kPanelGroup);
  const long tasks = g.groups * g.phase_count() * blocks * panel_groups;
  parallel_for_on(g.slots, tasks, 1, [&](long begin, long end) {
    for (long task = begin; task < end; ++task) {
      const long panel_group = task % panel_groups, block = task / panel_groups % blocks;
      const long phase = task / panel_groups / blocks % g.phase_count();
      run_task(g, g.phases[phase], task / panel_groups / blocks / g.phase_count(), block,
               panel_group);
    }
  });
}

template <class T>
size_t bytes(const ConvArgs& args) {
  Gather<T> g = args.pass == CONV_DGRAD ? dgrad_plan<T>(args) : forward_plan<T>(args);
  return carve(g, args, nullptr);
}

}  // namespace

size_t gather_bytes(const ConvArgs& args) {
  return args.is_double ? bytes<double>(args) : bytes<float>(args);
}

void gather(const ConvArgs& args, void* workspace) {
  args.is_double ? run<double>(args, workspace) : run<float>(args, workspace);
}

}  // namespace TG_ISA
