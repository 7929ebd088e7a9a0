// The CUDA language on a CPU: g++ -include cusim.hpp compiles a .cu file as host C++, and every one
// of its kernels can be launched (TG_CUSIM_KERNEL) with the arguments that the GPU would get.
//
// Here are the words of the language that our kernels use; block.hpp says how a block runs.
// Arithmetic is the host's: the same IEEE operations, but its own exp, log and tanh.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "cusim/block.hpp"

#define TG_CUSIM 1
#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __restrict__ __restrict
// all static shared arrays of a file lie in one section, so that they can be filled with NaN
#define __shared__ static __attribute__((section("cusim_shared")))

#define threadIdx (cusim::self().index)
#define blockIdx (cusim::block().index)
#define blockDim (cusim::block().extent)
#define gridDim (cusim::block().grid)
#define warpSize 32

#define TG_DYNAMIC_SHARED(T, name)                                                                 \
  T* name = reinterpret_cast<T*>((reinterpret_cast<std::uintptr_t>(cusim::block().shared.data()) + \
                                  cusim::kSharedAlignment - 1) /                                   \
                                 cusim::kSharedAlignment * cusim::kSharedAlignment)

// section markers by the linker; weak, as a file without static shared arrays has no section
extern "C" __attribute__((weak, visibility("hidden"))) char __start_cusim_shared[];
extern "C" __attribute__((weak, visibility("hidden"))) char __stop_cusim_shared[];

#define TG_CUSIM_KERNEL(name)                                                                  \
  extern "C" __attribute__((visibility("default"))) void cusim_##name(                         \
      const cusim::Launch* how, void** values, char* error) {                                  \
    std::size_t bytes = __start_cusim_shared ? __stop_cusim_shared - __start_cusim_shared : 0; \
    cusim::launch(name, *how, values, error, __start_cusim_shared, bytes);                     \
  }

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

inline void __syncthreads() { cusim::barrier(); }

inline void __syncwarp(unsigned mask = 0xffffffffu) {
  static const char what = 0;
  cusim::collective(mask, &what, nullptr, [](void**, unsigned) {});
}

template <class T>
struct CusimShuffle {
  T value;
  int source;
  T result;
};

// Each lane names the lane that it reads. One that reads from outside of the mask gets all ones.
// `what` differs between kinds of shuffle: lanes that meet in two kinds are an error.
template <class T>
inline T cusim_shuffle(unsigned mask, T value, int source, const void* what) {
  CusimShuffle<T> mine{value, source & 31, value};
  cusim::collective(mask, what, &mine, [](void** brought, unsigned needed) {
    for (int lane = 0; lane < 32; ++lane) {
      if (!(needed >> lane & 1)) continue;
      CusimShuffle<T>* to = static_cast<CusimShuffle<T>*>(brought[lane]);
      if (needed >> to->source & 1)
        to->result = static_cast<CusimShuffle<T>*>(brought[to->source])->value;
      else
        std::memset(static_cast<void*>(&to->result), 0xFF, sizeof(T));
    }
  });
  return mine.result;
}

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source) {
  static const char what = 0;
  return cusim_shuffle(mask, value, source, &what);
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int bits) {
  static const char what = 0;
  return cusim_shuffle(mask, value, cusim::self().lane ^ bits, &what);
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned by) {
  static const char what = 0;
  int from = cusim::self().lane + static_cast<int>(by);
  return cusim_shuffle(mask, value, from < 32 ? from : cusim::self().lane, &what);
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  static const char what = 0;
  struct Vote {
    int predicate;
    unsigned result;
  } mine{predicate, 0};
  cusim::collective(mask, &what, &mine, [](void** brought, unsigned needed) {
    unsigned votes = 0;
    for (int lane = 0; lane < 32; ++lane)
      if ((needed >> lane & 1) && static_cast<Vote*>(brought[lane])->predicate) votes |= 1u << lane;
    for (int lane = 0; lane < 32; ++lane)
      if (needed >> lane & 1) static_cast<Vote*>(brought[lane])->result = votes;
  });
  return mine.result;
}

template <class T>
inline T __ldg(const T* p) {
  return *p;
}
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(static_cast<std::uint64_t>(a) * b >> 32);
}
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __int_as_float(int bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
using std::isfinite;
using std::isnan;
using std::max;
using std::min;
