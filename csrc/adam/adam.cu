// m += (1 - beta1) (g - m); v = beta2 v + (1 - beta2) g^2;
// p = shrink p - step_size m / (sqrt(v) root_scale + eps)
//
// Reference: kernels/adam/reference.py. All parameters in one launch (tg_tensors.cuh), a thread
// four elements where addresses allow. What changes from step to step, {step_size, root_scale,
// shrink}, is read from device memory, so that a captured graph takes new values. Traffic: four
// arrays read, three written, 28 bytes a parameter: bound by memory.
#include "common/tg_tensors.cuh"

TG_KERNEL __launch_bounds__(256)
    adam(const TgTensors tensors, const float* __restrict__ changing, float fresh1, float beta2,
         float fresh2, float eps, float l2, int count, int blocks) {
  float step_size = changing[0], root_scale = changing[1], shrink = changing[2];
  float *p = tensors.data[0][blockIdx.y], *g = tensors.data[1][blockIdx.y];
  float *m = tensors.data[2][blockIdx.y], *v = tensors.data[3][blockIdx.y];
  auto move = [&](float& param, float grad, float& first, float& second) {
    if (l2 != 0) grad += l2 * param;  // 0 * NaN would carry a NaN of p into both moments
    first += fresh1 * (grad - first);
    second = beta2 * second + fresh2 * (grad * grad);
    param = shrink * param - step_size * (first / (sqrtf(second) * root_scale + eps));
  };
  for_each_element(
      tensors, 4,
      [&](int k) {
        float4 a = load_four(p, k), b = load_four(g, k), c = load_four(m, k), d = load_four(v, k);
        move(a.x, b.x, c.x, d.x);
        move(a.y, b.y, c.y, d.y);
        move(a.z, b.z, c.z, d.z);
        move(a.w, b.w, c.w, d.w);
        store_four(m, k, c);
        store_four(v, k, d);
        store_four(p, k, a);
      },
      [&](int i) { move(p[i], g[i], m[i], v[i]); });
}
