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

// How a matrix acts: as it is, or transposed.
enum Turn { AS_IS, TURNED };

// Rows and columns of a matrix that acts so.
template <Turn turn, int ROWS, int COLS>
struct Acting {
  static constexpr int rows = turn == TURNED ? COLS : ROWS, columns = turn == TURNED ? ROWS : COLS;
};

// out (rows, a vector each out_step) = matrix x in (columns, a vector each in_step). The matrix is
// a constant, so that unrolled, its zeros vanish and its ones are no products.
template <Turn turn, int ROWS, int COLS>
TG_INLINE void times(const float (&matrix)[ROWS][COLS], const VF* in, int in_step, VF* out,
                     int out_step) {
  typedef Acting<turn, ROWS, COLS> Act;
#pragma GCC unroll 8
  for (int i = 0; i < Act::rows; ++i) {
    VF sum = {};
    bool first = true;
#pragma GCC unroll 8
    for (int j = 0; j < Act::columns; ++j) {
      const float entry = turn == TURNED ? matrix[j][i] : matrix[i][j];
      if (entry == 0) continue;
      sum = first ? entry * in[j * in_step] : sum + entry * in[j * in_step];
      first = false;
    }
    out[i * out_step] = sum;
  }
}

// to (rows, rows), a store each `step` floats, = matrix x in (columns, columns) x matrix^T: to the
// points of a tile or a filter.
template <Turn turn, int ROWS, int COLS, int N>
TG_INLINE void to_points(const float (&matrix)[ROWS][COLS], const VF (&in)[N][N], float* to,
                         long step) {
  typedef Acting<turn, ROWS, COLS> Act;
  static_assert(N == Act::columns, "the matrix acts on tiles of another size");
  VF half[Act::rows][N], row[Act::rows];
#pragma GCC unroll 8
  for (int j = 0; j < N; ++j) times<turn>(matrix, &in[0][j], N, &half[0][j], N);
#pragma GCC unroll 8
  for (int i = 0; i < Act::rows; ++i) {
    times<turn>(matrix, half[i], 1, row, 1);
#pragma GCC unroll 8
    for (int j = 0; j < Act::rows; ++j, to += step) store(to, row[j]);
  }
}

// out (rows, rows) = matrix x points (columns, columns), one each `step` floats, x matrix^T.
template <Turn turn, int ROWS, int COLS, int N>
TG_INLINE void from_points(const float (&matrix)[ROWS][COLS], const float* points, long step,
                           VF (&out)[N][N]) {
  typedef Acting<turn, ROWS, COLS> Act;
  static_assert(N == Act::rows, "the matrix makes tiles of another size");
  constexpr int T = Act::columns;
  VF column[T], half[N][T];
#pragma GCC unroll 8
  for (int j = 0; j < T; ++j) {
#pragma GCC unroll 8
    for (int i = 0; i < T; ++i) column[i] = load(points + (i * T + j) * step);
    times<turn>(matrix, column, 1, &half[0][j], T);
  }
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) times<turn>(matrix, half[i], 1, out[i], 1);
}

}  // namespace TG_ISA
