// c = a b (+ bias) for dense matrices at any strides, in register tiles.
//
// Mapping. A register tile is up to kRows rows of c by a panel of kVectors vectors of columns; it
// runs over a chunk of the sum (kChunk terms), and later chunks add to c; a bias is what c begins
// with. A task owns a block of rows by some panels. Per chunk, a panel of b (kChunk x 32 floats: 32
// KB) serves all its rows from L1 or L2, and the rows' part of a all its panels from L2.
//
// Packing. Panels of b are copied to (panel, k, column) unless b's columns are adjacent and rows
// are few: then each is read as it lies, since it is read only a few times. Strips of kRows rows of
// a are copied to (strip, k, row) where many panels read them, or where its rows are a multiple of
// a page apart, so that all rows of a tile compete for one set of L1.
//
// Traffic, per multiply-add of a full tile: 1/kRows vector loads of b and 1/(kVectors lanes)
// broadcasts of a, from L1 or L2.
//
// Determinism. Every entry is summed in the order of k, chunk by chunk, by one thread: the bits
// depend on K alone. Tails: columns beyond the last are zeros in the packed panel and not stored;
// tiles have as many rows as there are. Reference: kernels/matmul/reference.py.

#include "matmul.hpp"

#include "../common/parallel.hpp"
#include "../common/tiles.hpp"

namespace TG_ISA {
namespace {

constexpr long kChunk = 256;       // terms of a sum in registers
constexpr long kStrips = 10;       // strips of rows in a task, at most
constexpr long kPanels = 4;        // panels in a task, at most
constexpr long kFewRows = 140;     // with so many rows at most, b is read where it lies
constexpr long kFewColumns = 512;  // with so many columns at most, a is read where it lies
constexpr long kTasks = 16;        // fewer make smaller tasks
constexpr long kPage = 4096;

template <class T>
struct Plan {
  const T *a, *b;
  T* c;
  long M, N, K, a_m, a_k, b_k, b_n;
  const T* bias;
  long bias_n;
  long panels, strips;
  bool pack_a, pack_b;
  T *packed_a, *packed_b;

  // A strip's first row: strips differ by at most one row.
  long row(long strip) const { return M * strip / strips; }
};

template <class T>
Plan<T> plan_of(const Matmul& s) {
  Plan<T> p = {(const T*)s.a, (const T*)s.b, (T*)s.c, s.M, s.N, s.K, s.a_m, s.a_k, s.b_k, s.b_n};
  p.bias = (const T*)s.bias, p.bias_n = s.bias_n;
  p.panels = ceil_div(p.N, tile_columns<T>()), p.strips = ceil_div(p.M, kRows);
  p.pack_b = p.b_n != 1 || p.M > kFewRows;
  p.pack_a = (p.a_m != 1 && p.a_k != 1) || p.N > kFewColumns ||
             (p.a_m != 1 && p.a_m * (long)sizeof(T) % kPage == 0);
  return p;
}

template <class T>
size_t carve(Plan<T>& p, void* workspace) {
  Carver carver = {(char*)workspace, 0};
  p.packed_a = carver.template take<T>(p.pack_a ? p.strips * kRows * p.K : 0);
  // the last panel is packed in any case if it is not full
  p.packed_b = carver.template take<T>((p.pack_b ? p.panels : 1) * p.K * tile_columns<T>());
  return carver.used;
}

// Where a tile finds its rows of a: entry (i, k) at from + i * row + k * step. One of them is 1.
template <class T>
struct Rows {
  const T* from;
  long row, step;
};

// c (ROWS, cols) (+)= a (ROWS, count) b (count, panel), the panel's rows b_step apart.
template <class T, int ROWS, int NV, bool ADJACENT>
void tile(bool first, Rows<T> a, const T* b, long b_step, long count, T* c, long c_step,
          long cols) {
  typedef typename Simd<T>::V V;
  constexpr int lanes = Simd<T>::lanes;
  V acc[ROWS][NV] = {};
  const T* rows[ROWS];
  for (int i = 0; i < ROWS; ++i) rows[i] = a.from + i * a.row;
  for (long k = 0; k < count; ++k, b += b_step) {
    V column[NV];
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) column[j] = load(b + j * lanes);
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
      for (int j = 0; j < NV; ++j)
        acc[i][j] += (ADJACENT ? a.from[k * a.step + i] : rows[i][k]) * column[j];
  }
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) {
      const long left = cols - j * lanes;
      T* to = c + i * c_step + j * lanes;
      if (left >= lanes)
        store<T>(to, first ? acc[i][j] : load(to) + acc[i][j]);
      else if (left > 0)
        store_first<T>(to, first ? acc[i][j] : load_first(to, left) + acc[i][j], left);
    }
}

template <class T, int ROWS = kRows>
void tile_of(long rows, bool first, Rows<T> a, const T* b, long b_step, long count, T* c,
             long c_step, long cols) {
  if (rows == ROWS) {
    const bool narrow = cols <= Simd<T>::lanes;
    if (a.row == 1)
      return (narrow ? tile<T, ROWS, 1, true>
                     : tile<T, ROWS, kVectors, true>)(first, a, b, b_step, count, c, c_step, cols);
    return (narrow ? tile<T, ROWS, 1, false>
                   : tile<T, ROWS, kVectors, false>)(first, a, b, b_step, count, c, c_step, cols);
  }
  if constexpr (ROWS > 1) tile_of<T, ROWS - 1>(rows, first, a, b, b_step, count, c, c_step, cols);
}

// Copy terms [first, last) of a strip of rows of a.
template <class T>
void pack_strip(const Plan<T>& p, long strip, long first, long last) {
  const long row = p.row(strip), rows = p.row(strip + 1) - row;
  const T* from = p.a + row * p.a_m;
  T* to = p.packed_a + strip * kRows * p.K;
  for (long i = 0; i < rows; ++i)
    for (long k = first; k < last; ++k) to[k * kRows + i] = from[i * p.a_m + k * p.a_k];
}

// Copy terms [first, last) of a panel of b; columns beyond the last are zeros.
template <class T>
void pack_panel(const Plan<T>& p, long panel, T* to, long first, long last) {
  constexpr long width = tile_columns<T>(), lanes = Simd<T>::lanes;
  const long cols = min_of(width, p.N - panel * width);
  const T* from = p.b + panel * width * p.b_n;
  long k = first;
  if (p.b_k == 1 && cols == width)  // blocks are transposed in registers
    for (; k + lanes <= last; k += lanes)
      for (long j = 0; j < width; j += lanes) {
        T* rows[lanes];
        for (long i = 0; i < lanes; ++i) rows[i] = to + (k + i) * width + j;
        transpose<T>(from + j * p.b_n + k, p.b_n, rows);
      }
  for (; k < last; ++k)
    for (long j = 0; j < width; ++j) to[k * width + j] = j < cols ? from[k * p.b_k + j * p.b_n] : 0;
}

template <class T>
void pack(const Plan<T>& p) {
  const long chunks = ceil_div(p.K, kChunk);
  const long full = p.N / tile_columns<T>();
  const long first_panel = p.pack_b ? 0 : full, panels = p.panels - first_panel;
  const long strips = p.pack_a ? p.strips : 0;
  parallel_for((panels + strips) * chunks, 4, [&](long begin, long end) {
    for (long item = begin; item < end; ++item) {
      const long at = item / chunks, first = item % chunks * kChunk;
      const long last = min_of(p.K, first + kChunk);
      if (at < panels)
        pack_panel(p, first_panel + at, p.packed_b + at * p.K * tile_columns<T>(), first, last);
      else
        pack_strip(p, at - panels, first, last);
    }
  });
}

template <class T>
Rows<T> rows_of(const Plan<T>& p, long strip, long k) {
  if (p.pack_a) return {p.packed_a + strip * kRows * p.K + k * kRows, 1, kRows};
  return {p.a + p.row(strip) * p.a_m + k * p.a_k, p.a_m, p.a_k};
}

// Let columns [first, last) of rows [row, end) of c begin with the bias.
template <class T>
void begin_with_bias(const Plan<T>& p, long row, long end, long first, long last) {
  for (; row < end; ++row)
    for (long n = first; n < last; ++n) p.c[row * p.N + n] = p.bias[n * p.bias_n];
}

// One task: strips [first_strip, last_strip) by panels [first_panel, last_panel).
template <class T>
void run_task(const Plan<T>& p, long first_strip, long last_strip, long first_panel,
              long last_panel) {
  constexpr long width = tile_columns<T>();
  if (p.bias)
    begin_with_bias(p, p.row(first_strip), p.row(last_strip), first_panel * width,
                    min_of(last_panel * width, p.N));
  for (long k = 0; k < p.K; k += kChunk) {
    const bool first = k == 0 && !p.bias;
    const long count = min_of(kChunk, p.K - k);
    for (long panel = first_panel; panel < last_panel; ++panel) {
      const long cols = min_of(width, p.N - panel * width);
      const bool packed = p.pack_b || cols < width;
      const T* b = packed ? p.packed_b + (p.pack_b ? panel : 0) * p.K * width + k * width
                          : p.b + k * p.b_k + panel * width;
      for (long strip = first_strip; strip < last_strip; ++strip)
        tile_of<T>(p.row(strip + 1) - p.row(strip), first, rows_of(p, strip, k), b,
                   packed ? width : p.b_k, count, p.c + p.row(strip) * p.N + panel * width, p.N,
                   cols);
    }
  }
}

template <class T>
void run(const Matmul& s, void* workspace) {
  Plan<T> p = plan_of<T>(s);
  carve(p, workspace);
  pack(p);
  const long blocks = ceil_div(p.strips, kStrips);
  const long least = ceil_div(kTasks, blocks);  // groups of panels, so that there are enough tasks
  const long groups = max_of(ceil_div(p.panels, kPanels), min_of(p.panels, least));
  parallel_for(blocks * groups, 1, [&](long begin, long end) {
    for (long task = begin; task < end; ++task) {
      const long block = task / groups, group = task % groups;
      run_task(p, p.strips * block / blocks, p.strips * (block + 1) / blocks,
               p.panels * group / groups, p.panels * (group + 1) / groups);
    }
  });
}

template <class T>
size_t bytes(const Matmul& s) {
  Plan<T> p = plan_of<T>(s);
  return carve(p, nullptr);
}

}  // namespace

size_t matmul_bytes(const Matmul& s) { return s.is_double ? bytes<double>(s) : bytes<float>(s); }

void matmul(const Matmul& s, void* workspace) {
  s.is_double ? run<double>(s, workspace) : run<float>(s, workspace);
}

}  // namespace TG_ISA
