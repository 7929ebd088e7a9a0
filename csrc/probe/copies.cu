// y = x by way of shared memory, its parts of 1,024 numbers turned round: what a GPU must do for
// the wrappers of common/tg_ptx.cuh to be right. Nothing else launches it.
//
// A block takes every gridDim.x-th part. The copy of the next part is on its way while the last one
// is written: two groups are open, and waiting for all but one lands the older. A thread writes
// what its mirror image in the block has copied, so the barriers count. Traffic: x and y once.
// Tails: a copy takes the bytes that are left, perhaps none, and zeros land for the rest.
#include "common/tg_ptx.cuh"

enum { kFours = 256 };

TG_KERNEL __launch_bounds__(256)
    copy_through_shared(const float* __restrict__ x, float* __restrict__ y, int n) {
  __shared__ float4 part[2][kFours];
  int t = threadIdx.x, stride = gridDim.x * 4 * kFours;
  auto fetch = [&](float4* to, int first) {
    int left = n - first - 4 * t, taken = left < 0 ? 0 : left > 4 ? 4 : left;
    copy_async16(to + t, taken ? x + first + 4 * t : x, 4 * taken);
    commit_copies();
  };
  int first = blockIdx.x * 4 * kFours, half = 0;
  fetch(part[0], first);
  for (; first < n; first += stride, half ^= 1) {
    fetch(part[half ^ 1], first + stride);  // behind the last part: nothing but zeros
    wait_for_copies<1>();
    __syncthreads();
    float4 v = part[half][kFours - 1 - t];
    int i = first + 4 * (kFours - 1 - t);
    if (i < n) y[i] = v.x;
    if (i + 1 < n) y[i + 1] = v.y;
    if (i + 2 < n) y[i + 2] = v.z;
    if (i + 3 < n) y[i + 3] = v.w;
    __syncthreads();  // this half is free for the copy after the next
  }
  wait_for_copies<0>();
}
