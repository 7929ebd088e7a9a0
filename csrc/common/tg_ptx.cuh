// Wrappers of PTX, each with a twin for the emulator: kernels hold no assembly of their own.
//
// cp.async copies from global to shared memory past the registers; it lands when its group is
// waited for. The emulator lands it then and not before, and a thread that leaves with a copy on
// its way is an error there. A wrapper counts as proven once a GPU has run it: none has yet.
#pragma once

#include "common/tg_device.cuh"

// Copy 16 bytes, of which the first `taken` come from the source and the rest are zeros; both
// addresses are multiples of 16.
__device__ __forceinline__ void copy_async16(void* shared, const void* global, int taken = 16) {
#if defined(TG_CUSIM)
  cusim::self().open.push_back({shared, global, 16, taken});
#else
  unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(to), "l"(global), "r"(taken)
               : "memory");
#endif
}

// Close the group of the copies since the last commit.
__device__ __forceinline__ void commit_copies() {
#if defined(TG_CUSIM)
  cusim::Thread& t = cusim::self();
  t.groups.push_back(t.open);
  t.open.clear();
#else
  asm volatile("cp.async.commit_group;\n" ::: "memory");
#endif
}

// Wait until at most `left` of this thread's groups are still on their way: others' need a barrier.
template <int left>
__device__ __forceinline__ void wait_for_copies() {
#if defined(TG_CUSIM)
  cusim::land_copies(left);
#else
  asm volatile("cp.async.wait_group %0;\n" ::"n"(left) : "memory");
#endif
}
