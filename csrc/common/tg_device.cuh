// What every kernel file includes first: the few words that differ between a GPU and cusim, and the
// sums that kernels share. Kernels hold no PTX: what needs it has a wrapper in tg_ptx.cuh.
//
// Sums have a fixed order, whatever the number of blocks that run at once: a warp adds by halving
// distances, a block adds its warps from the first to the last. No atomics, so reruns are
// bit-equal.
#pragma once

#if !defined(TG_CUSIM)
#define TG_DYNAMIC_SHARED(T, name)                                   \
  extern __shared__ __align__(1024) unsigned char tg_shared_bytes[]; \
  T* name = reinterpret_cast<T*>(tg_shared_bytes)
#endif

#define TG_KERNEL extern "C" __global__ void

enum : unsigned { kAllLanes = 0xffffffffu };
enum { kWarp = 32, kMostWarps = 32 };

// Index of this thread in a one-dimensional grid, and the number of threads there.
__device__ __forceinline__ long long global_thread() {
  return static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ long long global_threads() {
  return static_cast<long long>(gridDim.x) * blockDim.x;
}

// Whether an array may be read and written as float4.
__device__ __forceinline__ bool by_four(const void* p) {
  return reinterpret_cast<unsigned long long>(p) % 16 == 0;
}

template <class T>
__device__ __forceinline__ T warp_sum(T v) {
  for (int distance = kWarp / 2; distance; distance /= 2)
    v += __shfl_xor_sync(kAllLanes, v, distance);
  return v;
}

// Sum over a block of whole warps, the same in every thread. `scratch` holds kMostWarps values.
template <class T>
__device__ __forceinline__ T block_sum(T v, T* scratch) {
  int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
  v = warp_sum(v);
  __syncthreads();  // the scratch may still be read from the sum before
  if (lane == 0) scratch[warp] = v;
  __syncthreads();
  T total = scratch[0];
  for (int k = 1; k < warps; ++k) total += scratch[k];
  return total;
}
