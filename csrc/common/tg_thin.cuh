// Block-level matrix product with at most four columns: the layers that make an image of up to four
// channels, and those that carry a gradient to one.
//
// A tile of tg_gemm.cuh would spend 60 of its 64 columns on nothing. Here 128 threads make 256 rows
// by 4 columns, 2 x 4 a thread; every run of kDepth is read as whole sectors of 32 bytes a row and
// goes through shared memory, k-major, as there: rows of pixels lie far apart, and read from memory
// by one thread each they would take a line a thread. Fetchers, outputs, buffers and the order of
// the sums are those of tg_gemm.cuh; a thread fetches four fours of A a run, the first eight
// threads one of B.
#pragma once

#include "common/tg_gemm.cuh"

struct ThinTile {
  enum {
    kRows = 256,
    kColumns = 4,
    kDepth = 8,
    kThreads = 128,
    kPitch = kRows + 4,
    kFours = kRows * kDepth / 4 / kThreads,
    kApart = kThreads / (kDepth / 4),  // rows between two fours of a thread
  };

  struct __align__(16) Shared {
    float a[2][kDepth][kPitch], b[2][kDepth][kColumns];
  };

  template <class A>
  struct Rows {  // A's fetcher for each row that this thread fetches
    A of[kFours];

    __device__ __forceinline__ Rows(const A& a, int row) : of{a, a, a, a} {
#pragma unroll
      for (int i = 0; i < kFours; ++i) of[i].start(row + first() + kApart * i);
    }
    static __device__ __forceinline__ int first() { return threadIdx.x / (kDepth / 4); }
    static __device__ __forceinline__ int k() { return threadIdx.x % (kDepth / 4) * 4; }
    __device__ __forceinline__ void fetch(int at, float4* v) const {
#pragma unroll
      for (int i = 0; i < kFours; ++i) v[i] = of[i].four(at + k());
    }
    static __device__ __forceinline__ void store(float (*to)[kPitch], const float4* v) {
#pragma unroll
      for (int i = 0; i < kFours; ++i) {
        int row = first() + kApart * i;
        to[k()][row] = v[i].x;
        to[k() + 1][row] = v[i].y;
        to[k() + 2][row] = v[i].z;
        to[k() + 3][row] = v[i].w;
      }
    }
  };

  // Column and inner index of the four of B that one of the first threads fetches.
  static __device__ __forceinline__ bool fetches_b() { return threadIdx.x < kDepth; }
  static __device__ __forceinline__ int column_of(bool along_k) {
    return along_k ? threadIdx.x / (kDepth / 4) : 0;
  }
  static __device__ __forceinline__ int k_of(bool along_k) {
    return along_k ? threadIdx.x % (kDepth / 4) * 4 : threadIdx.x;
  }
  static __device__ __forceinline__ void store_b(float (*to)[kColumns], bool along_k, float4 v) {
    int j = column_of(along_k), k = k_of(along_k);
    if (!along_k) {
      *reinterpret_cast<float4*>(to[k]) = v;
      return;
    }
    to[k][j] = v.x;
    to[k + 1][j] = v.y;
    to[k + 2][j] = v.z;
    to[k + 3][j] = v.w;
  }

  static __device__ __forceinline__ void add(float* sum, float left, float4 right) {
    sum[0] += left * right.x;
    sum[1] += left * right.y;
    sum[2] += left * right.z;
    sum[3] += left * right.w;
  }
  static __device__ __forceinline__ void multiply(const float (*a)[kPitch],
                                                  const float (*b)[kColumns],
                                                  float (*sum)[kColumns]) {
#pragma unroll
    for (int k = 0; k < kDepth; ++k) {
      float2 left = *reinterpret_cast<const float2*>(&a[k][2 * threadIdx.x]);
      float4 right = *reinterpret_cast<const float4*>(b[k]);
      add(sum[0], left.x, right);
      add(sum[1], left.y, right);
    }
  }

  // A's fetcher goes along k. `first` is a multiple of kDepth, and so is `end`, unless the fetchers
  // give zeros from there on.
  template <class A, class B, class Out>
  static __device__ __forceinline__ void run(A& a, B& b, Out& out, Shared& shared, int row,
                                             int column, int first, int end) {
    Rows<A> rows(a, row);
    bool turn = b.along_k(), own = fetches_b();
    b.start(column + column_of(turn));
    float sum[2][kColumns] = {};
    float4 next[kFours], next_b = make_float4(0, 0, 0, 0);
    if (first < end) {
      rows.fetch(first, next);
      rows.store(shared.a[0], next);
      if (own) store_b(shared.b[0], turn, b.four(first + k_of(turn)));
    }
    __syncthreads();
    int half = 0;
#pragma unroll 1
    for (int k = first; k < end; k += kDepth, half ^= 1) {
      bool more = end - k > kDepth;
      if (more) {
        rows.fetch(k + kDepth, next);
        if (own) next_b = b.four(k + kDepth + k_of(turn));
      }
      multiply(shared.a[half], shared.b[half], sum);
      if (more) {
        rows.store(shared.a[half ^ 1], next);
        if (own) store_b(shared.b[half ^ 1], turn, next_b);
      }
      __syncthreads();  // the next half has landed, and this one is free
    }
#pragma unroll
    for (int i = 0; i < 2; ++i)
      out.four(row + 2 * threadIdx.x + i, column,
               make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]));
  }
};
