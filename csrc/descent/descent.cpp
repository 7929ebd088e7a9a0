// SGD:      b = momentum b + fresh g;  p -= lr * b          (Nesterov: lr * (g + momentum b))
// RMSprop:  s = alpha s + (1 - alpha) g^2;  d = g / (sqrt(s) + eps)
//           b = momentum b + d;  p -= lr * b                (centered: s - m^2 in place of s)
//
// One pass: each array is read once, and all but g are written. Bound by memory.
#include "descent.hpp"

#include "../common/root.hpp"

namespace TG_ISA {
namespace {

// Reads and writes vectors of a group's arrays at element i, of which n lanes are there.
template <class T>
struct Lanes {
  typedef typename Simd<T>::V V;
  const TgGroup& group;
  long i, n;

  static inline __attribute__((always_inline)) V get(const Lanes& at, int role) {
    const T* a = (const T*)at.group.data[role] + at.i;
    return at.n == Simd<T>::lanes ? load(a) : load_first(a, at.n);
  }
  static inline __attribute__((always_inline)) void put(const Lanes& at, int role, V x) {
    T* a = (T*)at.group.data[role] + at.i;
    at.n == Simd<T>::lanes ? store(a, x) : store_first(a, x, at.n);
  }
};

template <class T>
TG_INLINE void move(const SgdStep& s, const Lanes<T>& at) {
  typedef Lanes<T> L;
  typename L::V p = L::get(at, 0), g = L::get(at, 1);
  if (s.weight_decay != 0) g += splat((T)s.weight_decay) * p;  // 0 * NaN is NaN
  if (s.momentum != 0) {
    typename L::V b = splat((T)s.momentum) * L::get(at, 2) + splat((T)s.fresh) * g;
    L::put(at, 2, b);
    g = s.nesterov ? g + splat((T)s.momentum) * b : b;
  }
  L::put(at, 0, p - splat((T)s.lr) * g);
}

template <class T>
TG_INLINE void move(const RmspropStep& s, const Lanes<T>& at) {
  typedef Lanes<T> L;
  typedef typename L::V V;
  V p = L::get(at, 0), g = L::get(at, 1), fresh = splat((T)(1 - s.alpha));
  if (s.weight_decay != 0) g += splat((T)s.weight_decay) * p;
  V square = splat((T)s.alpha) * L::get(at, 2) + fresh * (g * g);
  L::put(at, 2, square);
  if (s.centered) {
    const int role = s.momentum != 0 ? 4 : 3;
    V mean = L::get(at, role);
    mean += fresh * (g - mean);
    L::put(at, role, mean);
    square -= mean * mean;
    square = square < 0 ? V{} : square;  // rounding may take it below 0; NaN stays
  }
  V d = g / (root(square) + splat((T)s.eps));
  if (s.momentum != 0) {
    d += splat((T)s.momentum) * L::get(at, 3);
    L::put(at, 3, d);
  }
  L::put(at, 0, p - splat((T)s.lr) * d);
}

template <class T, class Step>
void step(const Step& s, const TgGroup& group, long begin, long end) {
  constexpr long lanes = Simd<T>::lanes;
  for (long i = begin; i < end; i += lanes)
    move(s, Lanes<T>{group, i, end - i < lanes ? end - i : lanes});
}

template <class Step>
void step_all(const Step& s, const TgGroups& params) {
  for_each_piece(params, [&](const TgGroup& group, long begin, long end) {
    if (group.is_double) return step<double>(s, group, begin, end);
    step<float>(s, group, begin, end);
  });
}

}  // namespace

void sgd(const SgdStep& s, const TgGroups& params) { step_all(s, params); }
void rmsprop(const RmspropStep& s, const TgGroups& params) { step_all(s, params); }

}  // namespace TG_ISA
