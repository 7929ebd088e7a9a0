// Many tensors in one launch: what a step does to each of fifty parameters is too little for a
// kernel of its own. Their addresses and sizes are an argument, passed by value.
//
// blockIdx.y is the tensor; along x the blocks of a tensor stride over it. `data[k][t]` is the k-th
// array that belongs to tensor t: p, g, m, v of Adam. Arrays of one tensor are dense and lie in one
// memory order, whichever it is, so that they are flat here.
#pragma once

#include "common/tg_device.cuh"

enum { kRoles = 5, kMostTensors = 64 };

struct TgTensors {
  float* data[kRoles][kMostTensors];
  int size[kMostTensors];
};
static_assert(sizeof(TgTensors) == 2816, "kernels/cuda/tensors.py packs it");

// Call f(i) for every element i of this block's tensor, and f4(k) for whole groups of four floats
// where all of its first `roles` arrays allow it.
template <class Four, class One>
__device__ __forceinline__ void for_each_element(const TgTensors& t, int roles, Four f4, One f) {
  int size = t.size[blockIdx.y], i = static_cast<int>(global_thread());
  int stride = static_cast<int>(global_threads());
  bool fours = true;
  for (int k = 0; k < roles; ++k) fours = fours && by_four(t.data[k][blockIdx.y]);
  if (fours) {
    for (int k = i; k < size / 4; k += stride) f4(k);
    i += size / 4 * 4;
  }
  for (; i < size; i += stride) f(i);
}

__device__ __forceinline__ float4 load_four(const float* p, int k) {
  return reinterpret_cast<const float4*>(p)[k];
}
__device__ __forceinline__ void store_four(float* p, int k, float4 v) {
  reinterpret_cast<float4*>(p)[k] = v;
}
