// Sums along the rows of a matrix (R, M), M innermost.
//
// A warp a row where rows are short (row_threads = 32, eight rows a block), else a block a row.
// Lane l takes the l-th, l + row_threads-th, ... entry; then come tg_device.cuh's sums. A row is
// read as often as its kernel needs, from the cache after the first time.
#pragma once

#include "common/tg_device.cuh"

struct Row {
  bool whole_block;
  int index, first, step;

  __device__ explicit Row(int row_threads)
      : whole_block(row_threads > kWarp),
        index(whole_block ? blockIdx.x : blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp),
        first(whole_block ? threadIdx.x : threadIdx.x % kWarp),
        step(row_threads) {}

  // `scratch` holds kMostWarps values.
  template <class T>
  __device__ T sum(T v, T* scratch) const {
    return whole_block ? block_sum(v, scratch) : warp_sum(v);
  }
  // A NaN may be passed over: who needs it finds it in a sum.
  __device__ float max(float v, float* scratch) const {
    for (int distance = kWarp / 2; distance; distance /= 2)
      v = fmaxf(v, __shfl_xor_sync(kAllLanes, v, distance));
    if (!whole_block) return v;
    __syncthreads();  // the scratch may still be read from the sum before
    if (threadIdx.x % kWarp == 0) scratch[threadIdx.x / kWarp] = v;
    __syncthreads();
    for (int k = 0; k < static_cast<int>(blockDim.x / kWarp); ++k) v = fmaxf(v, scratch[k]);
    return v;
  }
};
