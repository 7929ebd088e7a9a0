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

#include "gather_plan.hpp"

namespace TG_ISA {
namespace {

constexpr long kPixelMajorMax = 64;  // phases of at most so many pixels put the batch innermost
constexpr long kSmallWeights = 256 << 10;  // bytes of packed weights that stay in L2 beside pixels
constexpr long kFarOutside = 1L << 40;     // a row or column that no image has
constexpr long kMinTasks = 32;  // with fewer blocks of pixels, the panels are divided too

// One register tile: kRows pixels by up to NV vectors of a panel's columns. It sums over the active
// taps and their channels and stores `cols` columns.
template <class T, int NV>
void wide_tile(const Gather<T>& g, const T* const* pointers, const long* active, const T* panel,
               T* const* out, long cols) {
  typedef typename Simd<T>::V V;
  constexpr int lanes = Simd<T>::lanes;
  const long depth = g.depth();
  V acc[kRows][NV] = {};
  for (long t = 1; t <= active[0]; ++t, pointers += kRows) {
    const T* column = panel + active[t] * g.per_tap;
    for (long k = 0; k < depth; ++k, column += g.width) {
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

// The tile for up to kNarrowColumns columns, an image's channels: lanes hold partial sums over the
// channels, which are added up at the end; half the rows at a time.
template <class T, int COLS>
void narrow_tile(const Gather<T>& g, const T* const* pointers, const long* active, const T* panel,
                 T* const* out, long) {
  typedef typename Simd<T>::V V;
  constexpr int lanes = Simd<T>::lanes, rows = kRows / 2;
  const long depth = g.depth();
  for (int first = 0; first < kRows && out[first]; first += rows) {
    V acc[rows][COLS] = {};
    for (long t = 0; t < active[0]; ++t) {
      const T* const* row = pointers + t * kRows + first;
      const T* column = panel + active[t + 1] * g.per_tap;
      for (long k = 0; k < depth; k += lanes, column += lanes) {
        V b[COLS];
#pragma GCC unroll 4
        for (int c = 0; c < COLS; ++c) b[c] = load(column + c * g.j_step);
        const bool tail = k + lanes > depth;
#pragma GCC unroll 8
        for (int i = 0; i < rows; ++i) {
          const V a = tail ? load_first<T>(row[i] + k, depth - k) : load(row[i] + k);
#pragma GCC unroll 4
          for (int c = 0; c < COLS; ++c) acc[i][c] += a * b[c];
        }
      }
    }
    constexpr int groups = (rows * COLS + lanes - 1) / lanes;  // of as many sums as lanes
    T sums[groups * lanes];
#pragma GCC unroll 16
    for (int group = 0; group < groups; ++group) {
      V part[lanes] = {};
#pragma GCC unroll 16
      for (int l = 0; l < lanes; ++l) {
        const int i = group * lanes + l;
        if (i < rows * COLS) part[l] = acc[i / COLS][i % COLS];
      }
      store<T>(sums + group * lanes, sum_each<T>(part));
    }
    for (int i = 0; i < rows && out[first + i]; ++i)
      for (int c = 0; c < COLS; ++c) out[first + i][c] = sums[i * COLS + c];
  }
}

template <class T>
using TileFn = void (*)(const Gather<T>&, const T* const*, const long*, const T*, T* const*, long);

template <class T>
TileFn<T> tile_for(const Gather<T>& g, long cols) {
  static const TileFn<T> narrow[kNarrowColumns] = {&narrow_tile<T, 1>, &narrow_tile<T, 2>,
                                                   &narrow_tile<T, 3>, &narrow_tile<T, 4>};
  if (g.narrow) return narrow[g.cols - 1];
  return cols <= Simd<T>::lanes ? &wide_tile<T, 1> : &wide_tile<T, kVectors>;
}

// A walk over the output pixels of a phase, in the order of the GEMM's rows.
struct Pixel {
  long n, i, j;
};

bool pixel_major(const Phase& phase) { return phase.rows * phase.columns <= kPixelMajorMax; }

template <class T>
Pixel pixel_at(const Gather<T>& g, const Phase& phase, long m) {
  const long area = phase.rows * phase.columns;
  const long at = pixel_major(phase) ? m / g.N : m % area;
  return {pixel_major(phase) ? m % g.N : m / area, at / phase.columns, at % phase.columns};
}

template <class T>
void advance(const Gather<T>& g, const Phase& phase, Pixel* pixel) {
  const bool batch_inner = pixel_major(phase);
  if (batch_inner && ++pixel->n < g.N) return;
  if (batch_inner) pixel->n = 0;
  if (++pixel->j < phase.columns) return;
  pixel->j = 0;
  if (++pixel->i < phase.rows) return;
  pixel->i = 0, ++pixel->n;
}

// Where the pixels of one tile read: position before a tap's offset is added, and its element. Rows
// beyond the last pixel read far outside the image.
struct Origins {
  long h[kRows], w[kRows], element[kRows];
};

// Fill the pointer table of one tile: kRows pointers for each tap that meets the image at all.
template <class T>
void point(const Gather<T>& g, const Phase& phase, const T* image, const Origins& from,
           const T** pointers, long* active) {
  // Copies, as the compiler could not tell that the stores leave g alone: with them, and not
  // unrolled, it vectorizes the table.
  const unsigned long height = (unsigned long)g.in_h, width = (unsigned long)g.in_w;
  const T* const zeros = g.zeros;
  active[0] = 0;
  for (long t = phase.first_tap; t < phase.last_tap; ++t) {
    const Tap tap = g.taps[t];
    const long offset = tap.h * g.a_h + tap.w * g.a_w;
    long meets_image = 0;
#pragma GCC unroll 1
    for (int i = 0; i < kRows; ++i) {  // as unsigned, a negative position is a huge one
      const long inside = ((unsigned long)(from.h[i] + tap.h) < height) &
                          ((unsigned long)(from.w[i] + tap.w) < width);
      pointers[i] = inside ? image + (from.element[i] + offset) : zeros;
      meets_image |= inside;
    }
    if (!meets_image) continue;
    active[++active[0]] = t;
    pointers += kRows;
  }
}

// One task: kTiles tiles of pixels, panels [first_panel, last_panel).
template <class T>
void run_task(const Gather<T>& g, const Phase& phase, long group, long block, long first_panel,
              long last_panel) {
  const long pixels_in_all = g.N * phase.rows * phase.columns, taps = g.R * g.S;
  const T** pointers = g.pointers + tg_thread_index() * g.pointer_count();
  long* active = g.active + tg_thread_index() * g.active_count();
  T* out[kTiles][kRows] = {};
  long tiles = 0, m = block * kTiles * kRows;
  Pixel pixel = pixel_at(g, phase, m);
  for (; tiles < kTiles && m < pixels_in_all; ++tiles, m += kRows) {
    Origins from;
    const int rows = (int)min_of(kRows, pixels_in_all - m);
    for (int i = rows; i < kRows; ++i) from.h[i] = from.w[i] = kFarOutside, from.element[i] = 0;
    for (int i = 0; i < rows; ++i, advance(g, phase, &pixel)) {
      from.h[i] = pixel.i * g.mul_h, from.w[i] = pixel.j * g.mul_w;
      from.element[i] = pixel.n * g.a_n + from.h[i] * g.a_h + from.w[i] * g.a_w;
      out[tiles][i] = g.out + group * g.cols + pixel.n * g.o_n +
                      (phase.h + pixel.i * g.step_h) * g.o_h +
                      (phase.w + pixel.j * g.step_w) * g.o_w;
    }
    point(g, phase, g.a + group * g.inner, from, pointers + tiles * taps * kRows,
          active + tiles * (taps + 1));
  }
  for (long panel = first_panel; panel < last_panel; ++panel) {
    const T* packed = g.packed + (group * g.panels() + panel) * g.panel_size();
    const long cols = min_of(g.width, g.cols - panel * g.width);
    const TileFn<T> tile = tile_for(g, cols);
    for (long t = 0; t < tiles; ++t) {
      T* to[kRows];
      for (int i = 0; i < kRows; ++i) to[i] = out[t][i] ? out[t][i] + panel * g.width : nullptr;
      tile(g, pointers + t * taps * kRows, active + t * (taps + 1), packed, to, cols);
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
  const long phases = g.phase_count();
  const long pixels = g.N * ceil_div(g.out_h, g.step_h) * ceil_div(g.out_w, g.step_w);
  const long blocks = ceil_div(pixels, kTiles * kRows), rows_of_tasks = g.groups * phases * blocks;
  const long panel_groups = min_of(g.panels(), ceil_div(kMinTasks, max_of(rows_of_tasks, 1)));
  // Phases of one block read the same pixels: run them in a row, unless that evicts the weights.
  const bool phase_inner = g.panels() * g.panel_size() * (long)sizeof(T) <= kSmallWeights;
  // They also write neighbouring pixels of the same cache lines, so one thread takes them all.
  const long together = phase_inner && panel_groups == 1 ? phases : 1;
  parallel_for_on(g.slots, rows_of_tasks * panel_groups, together, [&](long begin, long end) {
    for (long task = begin; task < end; ++task) {
      const long part = task % panel_groups, at = task / panel_groups % (blocks * phases);
      const long phase = phase_inner ? at % phases : at / blocks;
      run_task(g, g.phases[phase], task / panel_groups / (blocks * phases),
               phase_inner ? at / phases : at % blocks, g.panels() * part / panel_groups,
               g.panels() * (part + 1) / panel_groups);
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
