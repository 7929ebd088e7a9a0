// The mean of phi(l; target) over all logits, and gy * phi'(l) / n. Reference:
// kernels/gan_loss/reference.py, which lists phi; the order of its kinds is KINDS' in spec.py.
//
// A block of 256 threads adds up 4,096 logits in double; one block alone divides and is done, of
// more each leaves its sum, and a second kernel adds those in order. Logits are few (a batch, or a
// patch of a batch): what counts is the number of launches, one here. Traffic: the logits once.
#include "common/tg_device.cuh"

enum { LOGISTIC = 0, HINGE = 1, WASSERSTEIN = 2, LEAST_SQUARES = 3 };
enum { kLogits = 4096 };  // a block

__device__ __forceinline__ float phi(int kind, float l, float target) {
  if (kind == LOGISTIC) {
    float tail = log1pf(expf(-fabsf(l)));
    return ((l <= 0 ? 0.0f : l) - target * l) + tail;
  }
  if (kind == HINGE) {
    float margin = 1.0f - target * l;
    return margin <= 0 ? 0.0f : margin;
  }
  if (kind == WASSERSTEIN) return -target * l;
  return (l - target) * (l - target) * 0.5f;
}

__device__ __forceinline__ float phi_slope(int kind, float l, float target) {
  if (kind == LOGISTIC) {  // sigmoid - 1 would lose its digits
    float e = expf(-fabsf(l)), tail = e / (1.0f + e);
    return l < 0 ? tail - target : (1.0f - target) - tail;
  }
  if (kind == HINGE) return 1.0f - target * l <= 0 ? 0.0f : -target;
  if (kind == WASSERSTEIN) return -target;
  return l - target;
}

TG_KERNEL __launch_bounds__(256)
    gan_loss(const float* __restrict__ logit, float* __restrict__ y, double* __restrict__ partial,
             int n, int kind, float target) {
  __shared__ double scratch[kMostWarps];
  int end = min(n, static_cast<int>(blockIdx.x + 1) * kLogits);
  double sum = 0;
  for (int i = blockIdx.x * kLogits + threadIdx.x; i < end; i += blockDim.x)
    sum += static_cast<double>(phi(kind, logit[i], target));
  sum = block_sum(sum, scratch);
  if (threadIdx.x) return;
  if (gridDim.x == 1)
    *y = static_cast<float>(sum / n);
  else
    partial[blockIdx.x] = sum;
}

TG_KERNEL __launch_bounds__(256)
    gan_loss_mean(const double* __restrict__ partial, float* __restrict__ y, int n, int blocks) {
  __shared__ double scratch[kMostWarps];
  double sum = 0;
  for (int k = threadIdx.x; k < blocks; k += blockDim.x) sum += partial[k];
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) *y = static_cast<float>(sum / n);
}

TG_KERNEL __launch_bounds__(256)
    gan_loss_vjp(const float* __restrict__ logit, const float* __restrict__ gy,
                 float* __restrict__ g, int n, int kind, float target) {
  float scale = *gy / static_cast<float>(n);
  int stride = static_cast<int>(global_threads());
  for (int i = static_cast<int>(global_thread()); i < n; i += stride)
    g[i] = phi_slope(kind, logit[i], target) * scale;
}
