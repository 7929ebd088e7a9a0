// SGD: b = momentum b + keep g; p -= lr b, or lr (g + momentum b) with Nesterov's momentum.
// RMSprop: s = alpha s + (1 - alpha) g^2; d = g / (sqrt(s - m^2) + eps); b = momentum b + d;
// p -= lr b. Without momentum there is no b, and m^2 is there if centered: m += (1 - alpha) (g -
// m).
//
// Reference: kernels/descent/reference.py. All parameters in one launch (tg_tensors.cuh), a thread
// an element; the learning rate is read from device memory, so that a captured graph takes a new
// one. Traffic: each array that belongs to a parameter read and, but for g, written once.
#include "common/tg_tensors.cuh"

// Roles: p, g, and b if momentum is not 0.
TG_KERNEL __launch_bounds__(256)
    sgd(const TgTensors tensors, const float* __restrict__ changing, float momentum, float keep,
        float l2, int nesterov, int count, int blocks) {
  float lr = changing[0];
  float *p = tensors.data[0][blockIdx.y], *g = tensors.data[1][blockIdx.y];
  float* b = tensors.data[2][blockIdx.y];
  auto move = [&](int i) {
    float grad = g[i];
    if (l2 != 0) grad += l2 * p[i];
    if (momentum != 0) {
      float kept = momentum * b[i] + keep * grad;
      b[i] = kept;
      grad = nesterov ? grad + momentum * kept : kept;
    }
    p[i] -= lr * grad;
  };
  int stride = static_cast<int>(global_threads());
  for (int i = static_cast<int>(global_thread()); i < tensors.size[blockIdx.y]; i += stride)
    move(i);
}

// Roles: p, g, s, then b if momentum is not 0, then m if centered.
TG_KERNEL __launch_bounds__(256)
    rmsprop(const TgTensors tensors, const float* __restrict__ changing, float alpha, float fresh,
            float eps, float l2, float momentum, int centered, int count, int blocks) {
  float lr = changing[0];
  float *p = tensors.data[0][blockIdx.y], *g = tensors.data[1][blockIdx.y];
  float *s = tensors.data[2][blockIdx.y], *b = tensors.data[3][blockIdx.y];
  float* mean = tensors.data[momentum != 0 ? 4 : 3][blockIdx.y];
  int stride = static_cast<int>(global_threads());
  for (int i = static_cast<int>(global_thread()); i < tensors.size[blockIdx.y]; i += stride) {
    float grad = g[i];
    if (l2 != 0) grad += l2 * p[i];
    float square = alpha * s[i] + fresh * (grad * grad), spread = square;
    s[i] = square;
    if (centered) {
      float m = mean[i];
      m += fresh * (grad - m);
      mean[i] = m;
      spread = square - m * m;
      spread = spread < 0 ? 0.0f : spread;  // rounding may take it there; a NaN stays
    }
    float direction = grad / (sqrtf(spread) + eps);
    if (momentum != 0) {
      direction += momentum * b[i];
      b[i] = direction;
    }
    p[i] -= lr * direction;
  }
}
