// mean of phi(l; target) over all logits, and gy * phi'(l) / n.
//
//   logistic       softplus(l) - target l    sigmoid(l) - target
//   hinge          relu(1 - target l)        -target where 1 - target l > 0, else 0
//   wasserstein    -target l                 -target
//   least_squares  (l - target)^2 / 2        l - target
//
// The sum is double, one partial sum for every kBlock logits.
#include "gan_loss.hpp"

#include "../bias_act/vmath.hpp"
#include "../reduce/columns.hpp"

namespace TG_ISA {
namespace {

enum { kBlock = 8192 };

template <int kind, class V>
TG_INLINE V phi(V l, V target) {
  V zero = vector_of(l, 0), one = vector_of(l, 1);
  if constexpr (kind == LOGISTIC) {
    V tail = log1p_unit(exp_nonpositive(-vabs(l)));
    return ((l <= 0 ? zero : l) - target * l) + tail;
  }
  if constexpr (kind == HINGE) {
    V margin = one - target * l;
    return margin <= 0 ? zero : margin;
  }
  if constexpr (kind == WASSERSTEIN) return -target * l;
  if constexpr (kind == LEAST_SQUARES) return (l - target) * (l - target) * vector_of(l, 0.5);
}

template <int kind, class V>
TG_INLINE V derivative(V l, V target) {
  V zero = vector_of(l, 0), one = vector_of(l, 1);
  if constexpr (kind == LOGISTIC) {
    V e = exp_nonpositive(-vabs(l)), tail = e / (one + e);  // sigmoid(-|l|)
    return l < 0 ? tail - target : (one - target) - tail;   // sigmoid - 1 would lose its digits
  }
  if constexpr (kind == HINGE) return one - target * l <= 0 ? zero : -target;
  if constexpr (kind == WASSERSTEIN) return -target;
  if constexpr (kind == LEAST_SQUARES) return l - target;
}

template <int kind, class T>
void forward(const GanLoss& s, const T* logit, T* y) {
  typedef typename Simd<T>::V V;
  constexpr long lanes = Simd<T>::lanes;
  double* partial = static_cast<double*>(s.workspace);
  V target = splat((T)s.target);
  parallel_for(s.n, kBlock, [&](long begin, long end) {
    VD sum = {};
    T values[lanes];
    for (long i = begin; i < end; i += lanes) {
      long n = min_of(lanes, end - i);
      store(values, phi<kind>(n == lanes ? load(logit + i) : load_first(logit + i, n), target));
      for (long k = n; k < lanes; ++k) values[k] = 0;
      for (long k = 0; k < lanes; k += kLanesD) sum += load_wide(values + k);
    }
    partial[begin / kBlock] = sum_lanes<double>(sum);
  });
  double total = 0;
  for (long b = 0; b < ceil_div(s.n, kBlock); ++b) total += partial[b];
  *y = (T)(total / (double)s.n);
}

template <int kind, class T>
void vjp(const GanLoss& s, const T* logit, const T* gy, T* glogit) {
  typedef typename Simd<T>::V V;
  constexpr long lanes = Simd<T>::lanes;
  V target = splat((T)s.target), scale = splat(*gy / (T)s.n);
  parallel_for(s.n, kBlock, [&](long begin, long end) {
    for (long i = begin; i < end; i += lanes) {
      long n = min_of(lanes, end - i);
      V l = n == lanes ? load(logit + i) : load_first(logit + i, n);
      V g = derivative<kind>(l, target) * scale;
      n == lanes ? store(glogit + i, g) : store_first(glogit + i, g, n);
    }
  });
}

template <int kind, class T>
void forward_as(const GanLoss& s, const T* logit, T* y) {
  if (s.kind == kind) return forward<kind>(s, logit, y);
  if constexpr (kind + 1 < LOSS_KIND_COUNT) forward_as<kind + 1>(s, logit, y);
}
template <int kind, class T>
void vjp_as(const GanLoss& s, const T* logit, const T* gy, T* glogit) {
  if (s.kind == kind) return vjp<kind>(s, logit, gy, glogit);
  if constexpr (kind + 1 < LOSS_KIND_COUNT) vjp_as<kind + 1>(s, logit, gy, glogit);
}

}  // namespace

size_t gan_loss_workspace(const GanLoss& s) {
  return sizeof(double) * (size_t)ceil_div(s.n, kBlock);
}

void gan_loss(const GanLoss& s, const void* logit, void* y) {
  if (s.is_double) return forward_as<0>(s, (const double*)logit, (double*)y);
  forward_as<0>(s, (const float*)logit, (float*)y);
}

void gan_loss_vjp(const GanLoss& s, const void* logit, const void* gy, void* glogit) {
  if (s.is_double) return vjp_as<0>(s, (const double*)logit, (const double*)gy, (double*)glogit);
  vjp_as<0>(s, (const float*)logit, (const float*)gy, (float*)glogit);
}

}  // namespace TG_ISA
