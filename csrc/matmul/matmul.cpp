// c = a b (+ bias) for dense matrices at any strides, in register tiles.
//
// Mapping. The product is d (R, C) = x (R, K) y (K, C). A register tile is up to kRows rows of d by
// a panel of kVectors vectors of columns, held in registers while it runs over a chunk of the sum
// (at most kChunk terms); later chunks add to d, and a bias is what d begins with. A step along k
// loads a row of the panel and broadcasts one number of each row of x. A task owns a block of rows
// by some panels; per chunk, a panel (256 x 32 floats: 32 KB) serves all its rows from L1 or L2,
// and the rows' part of x all its panels from L2.
//
// Turning. x = a, y = b and d = c, or x = b^T, y = a^T and d = c^T: nothing but names, unless
// vectors would have to run along k. In a dense layer's x W^T both operands lie along k, so one
// must be transposed to make the panels. With few rows in the batch that should not be the weights:
// turned, the weights are the rows, broadcast from where they lie, the batch makes the panels, and
// tiles go to a scratch d, which a task transposes into c at its end. pays_to_turn weighs the
// transposed numbers against the lanes that a small batch leaves empty.
//
// Copies. A panel is read where it lies if its columns are adjacent and rows are few (the next one
// is fetched ahead meanwhile, since its rows lie on other pages). Otherwise it is copied to (k,
// column): by the task that needs it, if one block of rows reads it, or once for all. Rows that lie
// along k are read in place, unless they are a multiple of a page apart, so that all rows of a tile
// compete for one set of L1: then they are copied apart, by the task while the next ones are
// fetched into L2, or once for all where many panels read them. Rows that are adjacent at each k
// (gy^T x) are copied to (strip, k, row), whole vectors at a time, where it is worth it.
//
// Traffic, per multiply-add of a full tile: 1/kRows vector loads of y and 1/(kVectors lanes)
// broadcasts of x, from L1 or L2.
//
// Determinism. Every entry is summed in the order of k, chunk by chunk, by one thread, turned or
// not: the bits depend on K alone. Tails: strips differ by at most a row, chunks by a term; columns
// beyond the last are zeros in a copied panel and not stored, or fall into d's padding. Reference:
// kernels/matmul/reference.py.

#include "matmul_plan.hpp"

namespace TG_ISA {
namespace {

constexpr long kStrips = 20;      // strips of rows in a task, at most
constexpr long kLeastStrips = 2;  // at least, where there are many
constexpr long kTasks = 16;       // fewer make smaller tasks

// Where a tile finds its rows: entry (i, k) at from + i * row + k * step. One of them is 1. The
// next strip, whose rows lie ahead_row apart, is fetched along with it.
template <class T>
struct Rows {
  const T* from;
  long row, step;
  const T* ahead;
  long ahead_row;
};

// A panel of columns: `cols` of them, entry (k, j) at from + k * step + j. The panel that the task
// reads next lies `ahead` from this one, and is fetched along with it.
template <class T>
struct Columns {
  const T* from;
  long step, cols, ahead;
};

// Fetch a line into L2.
template <class T>
TG_INLINE void fetch_later(const T* p) {
  __builtin_prefetch(p, 0, 2);
}

// d (ROWS, cols) (+)= x (ROWS, count) y (count, cols).
template <class T, int ROWS, int NV, bool ADJACENT>
void tile(bool first, Rows<T> x, Columns<T> y, long count, T* d, long d_step) {
  typedef typename Simd<T>::V V;
  constexpr int lanes = Simd<T>::lanes;
  V acc[ROWS][NV] = {};
  constexpr long kLine = 64 / sizeof(T), kLines = 16 / kLine;
  // row i is the i % 7-th from one of two bases: seven pointers for 14 rows
  const T *low = x.from, *high = x.from + 7 * x.row;
  const long r = ADJACENT ? 1 : x.row, r3 = 3 * r, r5 = 5 * r;
  const long at[7] = {0, r, 2 * r, r3, 4 * r, r5, 2 * r3};
  if (ROWS > 4)  // the tile's place in d, which is far more often in L2 or beyond than in L1
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
      for (int j = 0; j < NV; ++j) __builtin_prefetch(d + i * d_step + j * lanes, 1);
  for (long k = 0; k < count; ++k, y.from += y.step, low += ADJACENT ? x.step : 1, ++high) {
    if (!ADJACENT && NV > 1)  // a line each term, of one row after the other
      for (long line = 0; line < kLines; ++line)
        fetch_later(x.ahead + k % 16 * x.ahead_row + (k / 16 * kLines + line) * kLine);
    V column[NV];
    if (ROWS > 4)  // else it would cost more than the products
#pragma GCC unroll 2
      for (int j = 0; j < NV; ++j) __builtin_prefetch(y.from + y.ahead + j * lanes);
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) column[j] = load(y.from + j * lanes);
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
      for (int j = 0; j < NV; ++j)
        acc[i][j] += (ADJACENT ? low[i] : i < 7 ? low[at[i]] : high[at[i - 7]]) * column[j];
  }
  if (y.cols >= NV * lanes) {
    if (!first) {
#pragma GCC unroll 16
      for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
        for (int j = 0; j < NV; ++j) acc[i][j] += load(d + i * d_step + j * lanes);
    }
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
      for (int j = 0; j < NV; ++j) store<T>(d + i * d_step + j * lanes, acc[i][j]);
    return;
  }
  T sums[ROWS][NV * lanes];
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) store<T>(sums[i] + j * lanes, acc[i][j]);
  for (int i = 0; i < ROWS; ++i)
    for (long n = 0; n < y.cols; ++n)
      d[i * d_step + n] = first ? sums[i][n] : d[i * d_step + n] + sums[i][n];
}

template <class T, int ROWS = kRows>
void tile_of(long rows, bool first, Rows<T> x, Columns<T> y, long count, T* d, long d_step) {
  if (rows == ROWS) {
    const bool narrow = y.cols <= Simd<T>::lanes;
    if (x.row == 1)
      return (narrow ? tile<T, ROWS, 1, true> : tile<T, ROWS, kVectors, true>)(first, x, y, count,
                                                                               d, d_step);
    return (narrow ? tile<T, ROWS, 1, false> : tile<T, ROWS, kVectors, false>)(first, x, y, count,
                                                                               d, d_step);
  }
  if constexpr (ROWS > 1) tile_of<T, ROWS - 1>(rows, first, x, y, count, d, d_step);
}

// A task's copies of a chunk of a strip and of a panel.
template <class T>
struct Copies {
  static constexpr long step = copied_step<T>(kChunk);
  alignas(64) T rows[kRows * step];
  alignas(64) T panel[kChunk * tile_columns<T>()];
};

template <class T>
Rows<T> rows_of(const Plan<T>& p, long strip, long k, long count, Copies<T>& copies) {
  const long row = p.row(strip), rows = p.row(strip + 1) - row;
  if (p.rows == PACKED && p.x_k != 1) {
    const long height = strip_rows<T>(), skipped = row - first_packed_row(p, strip);
    return {p.packed_x + (strip * p.K + k) * height + skipped, 1, height};
  }
  const long step = p.rows == PACKED ? copied_step<T>(p.K) : p.x_r;
  const T* from = p.rows == PACKED ? p.packed_x + row * step + k : p.x + row * step + k * p.x_k;
  const T* ahead = from + rows * step;
  if (p.rows != LOCAL) return {from, step, p.x_k, ahead, step};
  for (long i = 0; i < rows; ++i)
    memcpy(copies.rows + i * copies.step, from + i * step, (size_t)count * sizeof(T));
  return {copies.rows, copies.step, 1, ahead, step};
}

template <class T>
Columns<T> columns_of(const Plan<T>& p, long panel, long k, long count, Copies<T>& copies) {
  constexpr long width = tile_columns<T>(), lanes = Simd<T>::lanes;
  long cols = min_of(width, p.C - panel * width);
  const bool whole = cols == width || cols == lanes;  // else a row would be read past its end
  if (p.turned) cols = round_up(cols, lanes);         // d has room
  if (p.columns == PACKED) return {p.packed_y + (panel * p.K + k) * width, width, cols, 0};
  if (p.columns == IN_PLACE && whole) return {p.y + k * p.y_k + panel * width, p.y_k, cols, width};
  pack_panel(p, panel, copies.panel, k, k + count);
  return {copies.panel, width, cols, 0};
}

// Let columns [first, last) of rows [row, end) of d begin with the bias. Turned, d has whole
// vectors of columns.
template <class T>
void begin_with_bias(const Plan<T>& p, long row, long end, long first, long last) {
  for (; row < end; ++row) {
    T* d = p.d + row * p.d_step;
    if (p.turned)
      for (long n = first; n < last; n += Simd<T>::lanes)
        store<T>(d + n, splat(p.bias[row * p.bias_step]));
    else if (p.bias_step)
      memcpy(d + first, p.bias + first, (size_t)(last - first) * sizeof(T));
    else
      for (long n = first; n < last; ++n) d[n] = p.bias[0];
  }
}

// c's columns [row, end), rows [first, last), from d, its transpose. The last block begins earlier
// where it would not be full.
template <class T>
void write_turned(const Plan<T>& p, long row, long end, long first, long last) {
  constexpr long lanes = Simd<T>::lanes;
  if (end - row < lanes) {
    for (long m = first; m < last; ++m)
      for (long n = row; n < end; ++n) p.c[m * p.c_step + n] = p.d[n * p.d_step + m];
    return;
  }
  for (long at = row; at < end; at += lanes) {
    const long n = min_of(at, end - lanes);
    for (long m = first; m < last; m += lanes)
      transpose<T>(p.d + n * p.d_step + m, p.d_step, p.c + m * p.c_step + n, p.c_step, last - m);
  }
}

// One task: strips [first_strip, last_strip) by panels [first_panel, last_panel).
template <class T>
void run_task(const Plan<T>& p, long first_strip, long last_strip, long first_panel,
              long last_panel) {
  constexpr long width = tile_columns<T>();
  Copies<T> copies;
  const long row = p.row(first_strip), end = p.row(last_strip);
  const long first_col = first_panel * width, last_col = min_of(last_panel * width, p.C);
  if (p.bias) begin_with_bias(p, row, end, first_col, last_col);
  for (long chunk = 0; chunk < p.chunks; ++chunk) {
    const bool first = chunk == 0 && !p.bias;
    const long k = p.term(chunk), count = p.term(chunk + 1) - k;
    for (long panel = first_panel; panel < last_panel; ++panel) {
      Columns<T> y = columns_of(p, panel, k, count, copies);
      for (long strip = first_strip; strip < last_strip; ++strip, y.ahead = 0)
        tile_of<T>(p.row(strip + 1) - p.row(strip), first, rows_of(p, strip, k, count, copies), y,
                   count, p.d + p.row(strip) * p.d_step + panel * width, p.d_step);
    }
  }
  if (p.turned) write_turned(p, row, end, first_col, last_col);
}

template <class T>
void run(const Matmul& s, void* workspace) {
  Plan<T> p = plan_of<T>(s);
  carve(p, workspace);
  pack(p);
  long blocks = ceil_div(p.strips, kStrips);
  const long least = ceil_div(kTasks, blocks);  // groups of panels, so that there are enough tasks
  const long groups = max_of(ceil_div(p.panels, kPanels), min_of(p.panels, least));
  if (p.columns == PACKED)  // else each block would copy its panels
    blocks = max_of(blocks, min_of(p.strips / kLeastStrips, ceil_div(kTasks, groups)));
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
