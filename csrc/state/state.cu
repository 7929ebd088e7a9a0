// What a training step does to its whole state: copies, the moving average, and the check that all
// is finite. Reference: kernels/state/reference.py. All tensors in one launch (tg_tensors.cuh), a
// thread four elements where addresses allow. Traffic: each array once, as read or as written.
#include "common/tg_tensors.cuh"

// Roles: to, from.
TG_KERNEL __launch_bounds__(256) state_copy(const TgTensors tensors, int count, int blocks) {
  float *to = tensors.data[0][blockIdx.y], *from = tensors.data[1][blockIdx.y];
  for_each_element(
      tensors, 2, [&](int k) { store_four(to, k, load_four(from, k)); },
      [&](int i) { to[i] = from[i]; });
}

// Roles: a, x. a = x + (a - x) beta.
TG_KERNEL __launch_bounds__(256)
    state_average(const TgTensors tensors, float beta, int count, int blocks) {
  float *a = tensors.data[0][blockIdx.y], *x = tensors.data[1][blockIdx.y];
  for_each_element(
      tensors, 2,
      [&](int k) {
        float4 v = load_four(a, k), w = load_four(x, k);
        store_four(a, k,
                   make_float4(w.x + (v.x - w.x) * beta, w.y + (v.y - w.y) * beta,
                               w.z + (v.z - w.z) * beta, w.w + (v.w - w.w) * beta));
      },
      [&](int i) { a[i] = x[i] + (a[i] - x[i]) * beta; });
}

// Role: x. Sets *found to 0 where an entry is not finite, and leaves it alone otherwise; whoever
// writes it writes the same, so no order is needed.
TG_KERNEL __launch_bounds__(256)
    state_finite(const TgTensors tensors, unsigned char* found, int count, int blocks) {
  float* x = tensors.data[0][blockIdx.y];
  bool fine = true;
  for_each_element(
      tensors, 1,
      [&](int k) {
        float4 v = load_four(x, k);
        fine = fine && isfinite(v.x) && isfinite(v.y) && isfinite(v.z) && isfinite(v.w);
      },
      [&](int i) { fine = fine && isfinite(x[i]); });
  if (!fine) *found = 0;
}
