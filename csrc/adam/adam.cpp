// m += (1 - beta1) (g - m); v = beta2 v + (1 - beta2) g^2;
// p -= step_size * m / (sqrt(v) * root_scale + eps)
//
// One pass: four arrays read, three written, 28 bytes a parameter (float). Bound by memory.
#include "adam.hpp"

#include "../common/root.hpp"

namespace TG_ISA {
namespace {

template <class T>
void step(const AdamStep& s, const TgGroup& group, long begin, long end) {
  typedef typename Simd<T>::V V;
  constexpr long lanes = Simd<T>::lanes;
  T *p = (T*)group.data[0], *g = (T*)group.data[1], *m = (T*)group.data[2], *v = (T*)group.data[3];
  V shrink = splat((T)s.shrink), l2 = splat((T)s.l2), fresh1 = splat((T)(1 - s.beta1));
  V beta2 = splat((T)s.beta2), fresh2 = splat((T)(1 - s.beta2)), size = splat((T)s.step_size);
  V scale = splat((T)s.root_scale), eps = splat((T)s.eps);
  for (long i = begin; i < end; i += lanes) {
    long n = end - i < lanes ? end - i : lanes;
    auto get = [&](const T* a) { return n == lanes ? load(a + i) : load_first(a + i, n); };
    auto put = [&](T* a, V x) { n == lanes ? store(a + i, x) : store_first(a + i, x, n); };
    V param = get(p), grad = get(g), first = get(m), second = get(v);
    if (s.l2 != 0) grad += l2 * param;  // 0 * NaN would carry a NaN of p into both moments
    first += fresh1 * (grad - first);
    second = beta2 * second + fresh2 * (grad * grad);
    put(m, first), put(v, second);
    put(p, shrink * param - size * (first / (root(second) * scale + eps)));
  }
}

}  // namespace

void adam(const AdamStep& s, const TgGroups& params) {
  for_each_piece(params, [&](const TgGroup& group, long begin, long end) {
    if (group.is_double) return step<double>(s, group, begin, end);
    step<float>(s, group, begin, end);
  });
}

}  // namespace TG_ISA
