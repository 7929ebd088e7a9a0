// Passes over x (S, R, C): S segments (batches, samples) of R rows of C channels, C innermost.
//
// A block of 256 threads works on 32 neighbouring columns of one segment and a run of its rows; a
// thread owns one column or, as float4, four, so that what belongs to a channel is read and worked
// out once a thread. Where C is small, k rows are read as one *wide* row of W = k C columns, as in
// tg_columns.cuh; column w is of channel w % C. A column ends where the segment ends, so that the
// last wide row may be short.
//
// Sums are carried in float64. By the data sheets, two or three such operations an element take
// less time than its four or eight bytes from memory on the GPUs that the gate compiles for, which
// have float64 at half the rate of float32; where it comes at 1/64, it would set the pace.
#pragma once

#include "common/tg_columns.cuh"

// The columns and rows of one thread: V columns from `column` on, rows `row` to `end` by kStep.
template <int V>
struct SegmentTile {
  enum { kLanes = kColumns / V, kStep = kColumnThreads / kLanes };
  int segment, column, row, end, width;
  long long base;

  // n = R C: elements of a segment; rows_a_block counts wide rows.
  __device__ SegmentTile(int segments, int n, int width, int rows_a_block)
      : segment(blockIdx.x % segments),
        column(blockIdx.x / segments * kColumns + threadIdx.x % kLanes * V),
        row(blockIdx.y * rows_a_block + threadIdx.x / kLanes),
        end(0),
        width(width),
        base(static_cast<long long>(segment) * n + column) {
    if (column < min(width, n))
      end = min((n - 1 - column) / width + 1, static_cast<int>(blockIdx.y + 1) * rows_a_block);
  }
  __device__ long long at(int row) const { return base + static_cast<long long>(row) * width; }
  __device__ int count() const { return row < end ? (end - row + kStep - 1) / kStep : 0; }
};

// Place of a column's k-th of `kinds` partial sums in partial (S, blocks, kinds, W).
__device__ __forceinline__ long long partial_at(int segment, int block, int blocks, int k,
                                                int kinds, int width, int column) {
  long long row = (static_cast<long long>(segment) * blocks + block) * kinds + k;
  return row * width + column;
}

// Add what the eight threads of a column found, and let the first write it: the k-th of `kinds`.
__device__ __forceinline__ void write_sum(const SegmentTile<1>& tile, double sum, double* scratch,
                                          double* partial, int k, int kinds) {
  __syncthreads();  // the scratch may still be read from the sum before
  scratch[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x >= kColumns || tile.column >= tile.width) return;
  for (int row = 1; row < kRowsAtOnce; ++row) sum += scratch[row * kColumns + threadIdx.x];
  partial[partial_at(tile.segment, blockIdx.y, gridDim.y, k, kinds, tile.width, tile.column)] = sum;
}

// The k-th of two sums of a channel and segment, from partial (S, blocks, 2, W): lane l of a warp
// adds the l-th, l + 32-th, ... partial sum, blocks first, and the lanes add up.
__device__ __forceinline__ double channel_sum(const double* partial, int segment, int blocks, int k,
                                              int width, int channels, int channel) {
  int folds = width / channels;
  double sum = 0;
  for (int i = threadIdx.x % kWarp; i < blocks * folds; i += kWarp) {
    int column = i % folds * channels + channel;
    sum += partial[partial_at(segment, i / folds, blocks, k, 2, width, column)];
  }
  return warp_sum(sum);
}

template <int V>
struct Floats {
  float of[V];
};

template <int V>
__device__ __forceinline__ Floats<V> load(const float* p) {
  Floats<V> v;
  if constexpr (V == 4) {
    float4 four = *reinterpret_cast<const float4*>(p);
    v.of[0] = four.x, v.of[1] = four.y, v.of[2] = four.z, v.of[3] = four.w;
  } else {
    v.of[0] = *p;
  }
  return v;
}

template <int V>
__device__ __forceinline__ void store(float* p, const Floats<V>& v) {
  if constexpr (V == 4)
    *reinterpret_cast<float4*>(p) = make_float4(v.of[0], v.of[1], v.of[2], v.of[3]);
  else
    *p = v.of[0];
}
