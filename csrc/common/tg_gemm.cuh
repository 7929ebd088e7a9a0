// Block-level matrix product C = A B, as a template over where A and B come from and where C goes.
//
// A block of 256 threads makes a tile of side x side, and runs of kDepth of the inner extent go
// through shared memory in two buffers: while one is multiplied, the next run is on its way in
// registers, so a run costs one barrier. Both tiles lie k-major, so that a thread reads four rows
// or four columns as one float4; rows of shared memory are 4 floats longer than the tile, which
// spreads stores along k over the banks.
//
// A fetcher gives an operand four entries at once, along the axis that lies in memory:
//
//     bool along_k() const     four neighbours along k of one row, or four rows at one k
//     void start(int i)        this thread's (first) row from now on
//     float4 four(int k)       the entries at k; whatever lies outside counts as 0
//
// (B's rows are the columns of C.) An output takes `four(i, j, float4)`: columns j .. j + 3 of row
// i, and drops what lies outside. k is summed from the first to the last by one thread: reruns are
// bit-equal.
#pragma once

#include "common/tg_device.cuh"

template <int side, int depth>
struct GemmTile {
  enum { kRows = side, kColumns = side, kDepth = depth, kQuads = side / 64, kPitch = side + 4 };
  static_assert(side * depth == 4 * 256, "a thread fetches one four of each operand a run");

  struct __align__(16) Shared {
    float a[2][depth][kPitch], b[2][depth][kPitch];
  };

  // Row and inner index of the four that this thread fetches.
  static __device__ __forceinline__ int row_of(bool along_k) {
    return along_k ? threadIdx.x / (depth / 4) : threadIdx.x % (side / 4) * 4;
  }
  static __device__ __forceinline__ int k_of(bool along_k) {
    return along_k ? threadIdx.x % (depth / 4) * 4 : threadIdx.x / (side / 4);
  }

  static __device__ __forceinline__ void store(float (*to)[kPitch], bool along_k, float4 v) {
    int i = row_of(along_k), k = k_of(along_k);
    if (!along_k) {
      *reinterpret_cast<float4*>(&to[k][i]) = v;
      return;
    }
    to[k][i] = v.x;
    to[k + 1][i] = v.y;
    to[k + 2][i] = v.z;
    to[k + 3][i] = v.w;
  }

  // The quads of rows or columns that a thread multiplies lie 64 apart. A warp covers 4 x 8 of
  // them, so that each of its reads of shared memory takes one pass.
  static __device__ __forceinline__ int quad_row() {
    return (threadIdx.x / 64 * 4 + threadIdx.x % 32 / 8) * 4;
  }
  static __device__ __forceinline__ int quad_column() {
    return (threadIdx.x / 32 % 2 * 8 + threadIdx.x % 8) * 4;
  }

  static __device__ __forceinline__ void read(const float* row, int at, float* v) {
#pragma unroll
    for (int q = 0; q < kQuads; ++q) {
      float4 four = *reinterpret_cast<const float4*>(row + 64 * q + at);
      v[4 * q] = four.x;
      v[4 * q + 1] = four.y;
      v[4 * q + 2] = four.z;
      v[4 * q + 3] = four.w;
    }
  }

  static __device__ __forceinline__ void multiply(const float (*a)[kPitch],
                                                  const float (*b)[kPitch],
                                                  float (*sum)[4 * kQuads]) {
#pragma unroll
    for (int k = 0; k < depth; ++k) {
      float left[4 * kQuads], right[4 * kQuads];
      read(a[k], quad_row(), left);
      read(b[k], quad_column(), right);
#pragma unroll
      for (int i = 0; i < 4 * kQuads; ++i)
#pragma unroll
        for (int j = 0; j < 4 * kQuads; ++j) sum[i][j] += left[i] * right[j];
    }
  }

  // The tile whose first entry is (row, column), summed over k = first .. end - 1. `first` is a
  // multiple of kDepth, and so is `end`, unless the fetchers give zeros from there on.
  template <class A, class B, class Out>
  static __device__ __forceinline__ void run(A& a, B& b, Out& out, Shared& shared, int row,
                                             int column, int first, int end) {
    bool turn_a = a.along_k(), turn_b = b.along_k();
    a.start(row + row_of(turn_a));
    b.start(column + row_of(turn_b));
    float sum[4 * kQuads][4 * kQuads] = {};
    if (first < end) {
      store(shared.a[0], turn_a, a.four(first + k_of(turn_a)));
      store(shared.b[0], turn_b, b.four(first + k_of(turn_b)));
    }
    __syncthreads();
    int half = 0;
#pragma unroll 1
    for (int k = first; k < end; k += depth, half ^= 1) {
      bool more = end - k > depth;
      float4 next_a, next_b;
      if (more) {
        next_a = a.four(k + depth + k_of(turn_a));
        next_b = b.four(k + depth + k_of(turn_b));
      }
      multiply(shared.a[half], shared.b[half], sum);
      if (more) {
        store(shared.a[half ^ 1], turn_a, next_a);
        store(shared.b[half ^ 1], turn_b, next_b);
      }
      __syncthreads();  // the next half has landed, and this one is free
    }
#pragma unroll
    for (int i = 0; i < 4 * kQuads; ++i)
#pragma unroll
      for (int q = 0; q < kQuads; ++q)
        out.four(
            row + i / 4 * 64 + quad_row() + i % 4, column + 64 * q + quad_column(),
            make_float4(sum[i][4 * q], sum[i][4 * q + 1], sum[i][4 * q + 2], sum[i][4 * q + 3]));
  }
};

using SmallTile = GemmTile<64, 16>;  // 4 x 4 a thread
using LargeTile = GemmTile<128, 8>;  // 8 x 8 a thread: half the traffic, a quarter of the blocks

// A matrix (extent, depth) whose entry (i, k) lies at i * row + k * step.
struct StridedFetch {
  const float* from;
  int extent, depth, row, step;
  int i;
  bool turned, wide;  // neighbours along k; fours that lie together on 16 bytes

  __device__ __forceinline__ StridedFetch(const float* at, int extent, int depth, int row, int step)
      : from(at), extent(extent), depth(depth), row(row), step(step), i(0) {
    turned = step <= row;
    int near = turned ? step : row, far = turned ? row : step;
    wide = near == 1 && far % 4 == 0 && by_four(at);
  }
  __device__ __forceinline__ bool along_k() const { return turned; }
  __device__ __forceinline__ void start(int first) { i = first; }

  __device__ __forceinline__ float4 four(int k) const {
    int rest = turned ? depth - k : extent - i, stride = turned ? step : row;
    bool inside = turned ? i < extent : k < depth;
    if (!inside || rest <= 0) return make_float4(0, 0, 0, 0);
    const float* p = from + i * row + k * step;
    if (wide && rest >= 4) return *reinterpret_cast<const float4*>(p);
    return make_float4(p[0], rest > 1 ? p[stride] : 0.0f, rest > 2 ? p[2 * stride] : 0.0f,
                       rest > 3 ? p[3 * stride] : 0.0f);
  }
};

// Write the first `count` of four floats; `wide`: they are all there, and p is on 16 bytes.
__device__ __forceinline__ void store_four(float* p, float4 v, int count, bool wide) {
  if (wide) {
    *reinterpret_cast<float4*>(p) = v;
    return;
  }
  p[0] = v.x;
  if (count > 1) p[1] = v.y;
  if (count > 2) p[2] = v.z;
  if (count > 3) p[3] = v.w;
}

// A matrix (rows, columns) in C order, to which a bias (columns,) is added where there is one.
struct MatrixOut {
  float* to;
  const float* bias;
  int rows, columns;

  __device__ __forceinline__ void four(int i, int j, float4 v) const {
    if (i >= rows || j >= columns) return;
    float* p = to + i * columns + j;
    if (bias) {
      v.x += bias[j];
      if (j + 1 < columns) v.y += bias[j + 1];
      if (j + 2 < columns) v.z += bias[j + 2];
      if (j + 3 < columns) v.w += bias[j + 3];
    }
    store_four(p, v, columns - j, columns % 4 == 0 && by_four(to));
  }
};

// Where a split of the inner extent begins and ends, and which tile of an (m, n) matrix it is.
template <class Tile>
struct TilePlace {
  int row, column, first, end;

  __device__ __forceinline__ TilePlace(int n, int depth, int chunk) {
    int across = (n + Tile::kColumns - 1) / Tile::kColumns;
    row = blockIdx.x / across * Tile::kRows;
    column = blockIdx.x % across * Tile::kColumns;
    first = blockIdx.y * chunk;
    end = depth - first > chunk ? first + chunk : depth;
  }
};
