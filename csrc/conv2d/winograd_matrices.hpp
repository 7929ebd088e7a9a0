// The matrices of Winograd's F(m, r) convolutions, and how they act on tiles of vectors.
//
// kernels/conv2d/winograd.py derives them (toom_cook). With a filter g, a tile d of inputs and a
// cotangent h of the outputs,
//
//   y = A^T [(G g G^T) * (B^T d B)] A      and the derivatives of <h, y> by d and g:
//   B [(G g G^T) * (A h A^T)] B^T          G^T [(B^T d B) * (A h A^T)] G
//
// so each pass maps two of the three to t x t points, multiplies there, and maps the products back.
#pragma once

#include "../common/tiles.hpp"

namespace TG_ISA {

// F(m, r): m outputs a side of a tile, r taps, t = m + r - 1 points.
template <int M, int R>
struct Winograd;

template <>
struct Winograd<2, 2> {
  static constexpr int m = 2, r = 2, t = 3;
  static constexpr float a[3][2] = {{1, 0}, {1, 1}, {0, 1}};
  static constexpr float b[3][3] = {{-1, 0, 0}, {1, 1, -1}, {0, 0, 1}};
  static constexpr float g[3][2] = {{-1, 0}, {1, 1}, {0, 1}};
};

template <>
struct Winograd<2, 3> {
  static constexpr int m = 2, r = 3, t = 4;
  static constexpr float a[4][2] = {{1, 0}, {1, 1}, {1, -1}, {0, 1}};
  static constexpr float b[4][4] = {{-1, 0, 0, 0}, {0, 1, -1, -1}, {1, 1, 1, 0}, {0, 0, 0, 1}};
  static constexpr float g[4][3] = {{-1, 0, 0}, {.5f, .5f, .5f}, {.5f, -.5f, .5f}, {0, 0, 1}};
};

template <>
struct Winograd<4, 2> {
  static constexpr int m = 4, r = 2, t = 5;
  static constexpr float a[5][4] = {
      {1, 0, 0, 0}, {1, .5f, .25f, .125f}, {1, -1, 1, -1}, {1, 2, 4, 8}, {0, 0, 0, 1}};
  static constexpr float b[5][5] = {{1, 0, 0, 0, 0},
                                    {-1.5f, -2, 1, -.5f, 1},
                                    {-1.5f, -1, -2.5f, .5f, -1.5f},
                                    {1, 1, 1, 1, -1.5f},
                                    {0, 0, 0, 0, 1}};
  static constexpr float g[5][2] = {
      {1, 0}, {-8 / 9.f, -4 / 9.f}, {-2 / 9.f, 2 / 9.f}, {1 / 9.f, 2 / 9.f}, {0, 1}};
};

template <>
struct Winograd<4, 3> {
  static constexpr int m = 4, r = 3, t = 6;
  static constexpr float a[6][4] = {{1, 0, 0, 0},          {1, 1, 1, 1},   {1, -1, 1, -1},
                                    {1, .5f, .25f, .125f}, {1, -2, 4, -8}, {0, 0, 0, 1}};
  static constexpr float b[6][6] = {{1, 0, 0, 0, 0, 0},
                                    {-1.5f, -1, 1, -2, .5f, 1},
                                    {-2, .5f, -2.5f, -1, -1, -1.5f},
                                    {1.5f, 2.5f, .5f, 2, -.5f, -2},
                                    {1, 1, 1, 1, 1, 1.5f},
                                    {0, 0, 0, 0, 0, 1}};
  static constexpr float g[6][3] = {{1, 0, 0},
                                    {1 / 3.f, 1 / 3.f, 1 / 3.f},
                                    {-1 / 3.f, 1 / 3.f, -1 / 3.f},
                                    {-16 / 15.f, -8 / 15.f, -4 / 15.f},
                                    {1 / 15.f, -2 / 15.f, 4 / 15.f},
                                    {0, 0, 1}};
};

// out (ROWS, step) = matrix (ROWS, COLS) x in (COLS, step), one column of vectors. The matrix is a
// constant, so that unrolled, its zeros vanish and its ones are no products.
template <int ROWS, int COLS>
TG_INLINE void times(const float (&matrix)[ROWS][COLS], const VF* in, int in_step, VF* out,
                     int out_step) {
#pragma GCC unroll 8
  for (int i = 0; i < ROWS; ++i) {
    VF sum = {};
    bool first = true;
#pragma GCC unroll 8
    for (int j = 0; j < COLS; ++j) {
      if (matrix[i][j] == 0) continue;
      sum = first ? matrix[i][j] * in[j * in_step] : sum + matrix[i][j] * in[j * in_step];
      first = false;
    }
    out[i * out_step] = sum;
  }
}

// The same with the matrix transposed: out (COLS) = matrix^T (COLS, ROWS) x in (ROWS).
template <int ROWS, int COLS>
TG_INLINE void times_t(const float (&matrix)[ROWS][COLS], const VF* in, int in_step, VF* out,
                       int out_step) {
#pragma GCC unroll 8
  for (int j = 0; j < COLS; ++j) {
    VF sum = {};
    bool first = true;
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; ++i) {
      if (matrix[i][j] == 0) continue;
      sum = first ? matrix[i][j] * in[i * in_step] : sum + matrix[i][j] * in[i * in_step];
      first = false;
    }
    out[j * out_step] = sum;
  }
}

// to (ROWS, ROWS), a store each `step` floats = matrix x in (COLS, COLS) x matrix^T.
template <int ROWS, int COLS>
TG_INLINE void to_points(const float (&matrix)[ROWS][COLS], const VF (&in)[COLS][COLS], float* to,
                         long step) {
  VF half[ROWS][COLS], row[ROWS];
#pragma GCC unroll 8
  for (int j = 0; j < COLS; ++j) times(matrix, &in[0][j], COLS, &half[0][j], COLS);
#pragma GCC unroll 8
  for (int i = 0; i < ROWS; ++i) {
    times(matrix, half[i], 1, row, 1);
#pragma GCC unroll 8
    for (int j = 0; j < ROWS; ++j, to += step) store(to, row[j]);
  }
}

// The same with the matrix transposed: B^T d B.
template <int N>
TG_INLINE void to_points_t(const float (&matrix)[N][N], const VF (&in)[N][N], float* to,
                           long step) {
  VF half[N][N], row[N];
#pragma GCC unroll 8
  for (int j = 0; j < N; ++j) times_t(matrix, &in[0][j], N, &half[0][j], N);
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) {
    times_t(matrix, half[i], 1, row, 1);
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j, to += step) store(to, row[j]);
  }
}

// out (COLS, COLS) = matrix^T x points (ROWS, ROWS) x matrix, a point each `step` floats.
template <int ROWS, int COLS>
TG_INLINE void from_points_t(const float (&matrix)[ROWS][COLS], const float* points, long step,
                             VF (&out)[COLS][COLS]) {
  VF column[ROWS], half[COLS][ROWS];
#pragma GCC unroll 8
  for (int j = 0; j < ROWS; ++j) {
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; ++i) column[i] = load(points + (i * ROWS + j) * step);
    times_t(matrix, column, 1, &half[0][j], ROWS);
  }
#pragma GCC unroll 8
  for (int i = 0; i < COLS; ++i) times_t(matrix, half[i], 1, out[i], 1);
}

// out (N, N) = matrix x points (N, N) x matrix^T: B v B^T.
template <int N>
TG_INLINE void from_points(const float (&matrix)[N][N], const float* points, long step,
                           VF (&out)[N][N]) {
  VF column[N], half[N][N];
#pragma GCC unroll 8
  for (int j = 0; j < N; ++j) {
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) column[i] = load(points + (i * N + j) * step);
    times(matrix, column, 1, &half[0][j], N);
  }
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) times(matrix, half[i], 1, out[i], 1);
}

}  // namespace TG_ISA
