// How a product is laid out: whether it is turned, which operands are copied, and the copies that
// all tasks share. matmul.cpp says why.
#pragma once

#include "../common/parallel.hpp"
#include "../common/tiles.hpp"
#include "matmul.hpp"

namespace TG_ISA {
namespace {

constexpr long kChunk = 256;       // terms of a sum in registers, at most
constexpr long kPanels = 4;        // panels in a task, at most
constexpr long kFewRows = 140;     // with so many rows at most, columns are read where they lie
constexpr long kTurn = 8;          // multiply-adds that take as long as transposing one number
constexpr long kFewColumns = 512;  // with so many at most, adjacent rows are read where they lie,
constexpr long kFold = 1024;       // half as many if terms are so far apart: into four sets of L1
constexpr long kPage = 4096;       // rows so far apart are copied: into one set of L1

// Where a register tile reads an operand.
enum Source {
  IN_PLACE,  // where it lies
  LOCAL,     // from a copy that a task makes before use, of a chunk of the sum
  PACKED,    // from a copy that all tasks share
};

// The product, turned or not: d (R, C) = x (R, K) y (K, C).
template <class T>
struct Plan {
  bool turned;  // x = b^T, y = a^T, d = c^T; or x = a, y = b, d = c
  const T *x, *y;
  long R, C, K, x_r, x_k, y_k, y_c;
  T *c, *d;
  long c_step, d_step;
  const T* bias;
  long bias_step;  // 1, or 0 if it is one number
  long panels, strips, chunks;
  Source rows, columns;
  T *packed_x, *packed_y;

  // A strip's first row, a chunk's first term: strips differ by at most one row, chunks by a term.
  long row(long strip) const { return R * strip / strips; }
  long term(long chunk) const { return K * chunk / chunks; }
};

constexpr long round_up(long n, long to) { return (n + to - 1) / to * to; }

// Rows of a packed strip, filled up to whole vectors.
template <class T>
constexpr long strip_rows() {
  return round_up(kRows, Simd<T>::lanes);
}

// From row to row of a copy of rows of so many terms: a vector more than they fill.
template <class T>
constexpr long copied_step(long terms) {
  return round_up(terms, Simd<T>::lanes) + Simd<T>::lanes;
}

// Whether it pays to compute c^T = b^T a^T. Its rows are b's columns, read where they lie, so that
// the smaller a is transposed in place of b; but c^T is transposed too, and fills vectors less.
template <class T>
bool pays_to_turn(const Matmul& s) {
  if (s.b_n == 1 || s.b_k != 1) return false;
  const double M = (double)s.M, N = (double)s.N, K = (double)s.K;
  const double full_m = (double)round_up(s.M, Simd<T>::lanes);
  const double full_n = (double)round_up(s.N, Simd<T>::lanes);
  const double straight = M * full_n * K + kTurn * N * K;
  const double turned = N * full_m * K + kTurn * (s.a_m == 1 ? 0 : M * K) + kTurn * M * N;
  return turned < straight;
}

template <class T>
Plan<T> plan_of(const Matmul& s) {
  Plan<T> p = {pays_to_turn<T>(s)};
  p.K = s.K, p.c = (T*)s.c, p.c_step = s.N, p.bias = (const T*)s.bias, p.bias_step = s.bias_n;
  if (p.turned) {
    p.x = (const T*)s.b, p.R = s.N, p.x_r = s.b_n, p.x_k = s.b_k;
    p.y = (const T*)s.a, p.C = s.M, p.y_c = s.a_m, p.y_k = s.a_k;
  } else {
    p.x = (const T*)s.a, p.R = s.M, p.x_r = s.a_m, p.x_k = s.a_k;
    p.y = (const T*)s.b, p.C = s.N, p.y_c = s.b_n, p.y_k = s.b_k;
  }
  p.panels = ceil_div(p.C, tile_columns<T>()), p.strips = ceil_div(p.R, kRows);
  p.chunks = ceil_div(p.K, kChunk);
  p.columns = p.R > kFewRows ? PACKED : p.y_c == 1 ? IN_PLACE : LOCAL;
  const long row_bytes = p.x_r * (long)sizeof(T), term_bytes = p.x_k * (long)sizeof(T);
  if (p.x_k == 1)
    p.rows = row_bytes % kPage != 0 ? IN_PLACE : p.panels > kPanels ? PACKED : LOCAL;
  else if (p.x_r == 1 && p.C <= (term_bytes % kFold == 0 ? kFewColumns / 2 : kFewColumns))
    p.rows = IN_PLACE;
  else
    p.rows = PACKED;
  p.d = p.c, p.d_step = p.c_step;
  if (p.turned) p.d_step = p.panels * tile_columns<T>();
  return p;
}

template <class T>
size_t carve(Plan<T>& p, void* workspace) {
  Carver carver = {(char*)workspace, 0};
  const long x_size = p.x_k == 1 ? p.R * copied_step<T>(p.K) : p.strips * strip_rows<T>() * p.K;
  p.packed_x = carver.template take<T>(p.rows == PACKED ? x_size : 0);
  p.packed_y =
      carver.template take<T>(p.columns == PACKED ? p.panels * p.K * tile_columns<T>() : 0);
  if (p.turned) p.d = carver.template take<T>(p.R * p.d_step);
  return carver.used;
}

// A packed strip's first row: rows are copied in whole vectors, so those at the end begin earlier.
template <class T>
long first_packed_row(const Plan<T>& p, long strip) {
  return max_of(0, min_of(p.row(strip), p.R - strip_rows<T>()));
}

// Copy terms [first, last) of a strip of rows.
template <class T>
void pack_rows(const Plan<T>& p, long strip, long first, long last) {
  constexpr long height = strip_rows<T>(), lanes = Simd<T>::lanes;
  if (p.x_k == 1) {
    for (long row = p.row(strip); row < p.row(strip + 1); ++row)
      memcpy(p.packed_x + row * copied_step<T>(p.K) + first, p.x + row * p.x_r + first,
             (size_t)(last - first) * sizeof(T));
    return;
  }
  const long row = first_packed_row(p, strip), rows = min_of(height, p.R - row);
  const T* from = p.x + row * p.x_r;
  T* to = p.packed_x + strip * height * p.K;
  if (p.x_r == 1 && rows == height) {
    for (long k = first; k < last; ++k)
      for (long i = 0; i < height; i += lanes)
        store<T>(to + k * height + i, load(from + k * p.x_k + i));
    return;
  }
  for (long k = first; k < last; ++k)
    for (long i = 0; i < rows; ++i) to[k * height + i] = from[i * p.x_r + k * p.x_k];
}

// Copy terms [first, last) of a panel to `to`; columns beyond the last are zeros.
template <class T>
void pack_panel(const Plan<T>& p, long panel, T* to, long first, long last) {
  constexpr long width = tile_columns<T>(), lanes = Simd<T>::lanes;
  const long cols = min_of(width, p.C - panel * width), count = last - first;
  const T* from = p.y + panel * width * p.y_c + first * p.y_k;
  long k = 0;
  if (p.y_c == 1 && cols == width)
    for (; k < count; ++k)
      for (long j = 0; j < width; j += lanes)
        store<T>(to + k * width + j, load(from + k * p.y_k + j));
  if (p.y_k == 1 && cols % lanes == 0)  // blocks are transposed in registers
    for (; k + lanes <= count; k += lanes)
      for (long j = 0; j < cols; j += lanes)
        transpose<T>(from + j * p.y_c + k, p.y_c, to + k * width + j, width, lanes);
  for (; k < count; ++k)
    for (long j = 0; j < width; ++j) to[k * width + j] = j < cols ? from[k * p.y_k + j * p.y_c] : 0;
}

template <class T>
void pack(const Plan<T>& p) {
  const long panels = p.columns == PACKED ? p.panels : 0;
  const long strips = p.rows == PACKED ? p.strips : 0;
  parallel_for((panels + strips) * p.chunks, 4, [&](long begin, long end) {
    for (long item = begin; item < end; ++item) {
      const long at = item / p.chunks, chunk = item % p.chunks;
      const long first = p.term(chunk), last = p.term(chunk + 1);
      if (at < panels)
        pack_panel(p, at, p.packed_y + (at * p.K + first) * tile_columns<T>(), first, last);
      else
        pack_rows(p, at - panels, first, last);
    }
  });
}

}  // namespace
}  // namespace TG_ISA
