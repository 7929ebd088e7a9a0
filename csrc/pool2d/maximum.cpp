// y[p, q] = the largest element of window (p, q) and where it lies; the gather by such an index,
// and its adjoint, which scatters.
//
// Mapping. A task of max_pool2d is an output row; vectors run across channels and carry the largest
// value and its position side by side, so that x is read once and no window is looked at twice.
// Tasks of gather2d are rows of an image, those of scatter2d a block of an image's channels: what
// meets in one element is added up by one thread, in the order of the picks.
//
// Traffic (float): x once, 12 bytes a window written; gather2d and scatter2d 24 bytes a pick, the
// index being looked through before anything is written.
// Windows of 2 x 2 and 3 x 3 without padding in them are unrolled. Positions fit an int32 while
// they are sought. Tails: channels beyond the last whole vector one at a time.
// Reference: kernels/pool2d/reference.py.
#include "../common/parallel.hpp"
#include "windows.hpp"

namespace TG_ISA {
namespace {

typedef int32_t VI32Half __attribute__((vector_size(TG_VECTOR_BYTES / 2)));

// Store the positions of kLanesF floats as int64.
TG_INLINE void store_index(int64_t* to, VIF at) {
  VI32Half half[2];
  memcpy(half, &at, sizeof at);
  for (int i = 0; i < 2; ++i) {
    const VID wide = __builtin_convertvector(half[i], VID);
    memcpy(to + i * kLanesD, &wide, sizeof wide);
  }
}
TG_INLINE void store_index(int64_t* to, VID at) { memcpy(to, &at, sizeof at); }

// The window's elements: rows x columns pixels from `x` on, the first of them at `first` in H * W.
struct Window {
  long rows, columns, first;
};

// A vector of channels of one window. R and S are its extents, or 0: then the window says.
template <int R, int S, class T>
TG_INLINE void largest(const PoolArgs& a, const T* x, Window o, T* y, int64_t* index) {
  typedef typename Simd<T>::V V;
  typedef typename Simd<T>::Mask I;
  V best = load(x);
  I at = I{} + (decltype(I{}[0]))o.first;
  const long rows = R ? R : o.rows, columns = S ? S : o.columns;
#pragma GCC unroll 3
  for (long r = 0; r < rows; ++r)
#pragma GCC unroll 3
    for (long s = 0; s < columns; ++s) {
      if (r + s == 0) continue;
      const V v = load(x + r * a.in_h + s * a.in_w);
      const I wins = (v > best) | (v != v);  // a NaN in `best` goes for another NaN alone
      best = wins ? v : best;
      at = wins ? I{} + (decltype(I{}[0]))(o.first + r * a.W + s) : at;
    }
  store<T>(y, best);
  store_index(index, at);
}

template <class T>
void largest_one(const PoolArgs& a, const T* x, Window o, T* y, int64_t* index) {
  T best = *x;
  long at = o.first;
  for (long r = 0; r < o.rows; ++r)
    for (long s = 0; s < o.columns; ++s) {
      const T v = x[r * a.in_h + s * a.in_w];
      if (r + s > 0 && (v > best || v != v)) best = v, at = o.first + r * a.W + s;
    }
  *y = best, *index = at;
}

template <int R, int S, class T>
TG_INLINE void largest_pixel(const PoolArgs& a, const T* x, Window o, T* y, int64_t* index) {
  constexpr int lanes = Simd<T>::lanes;
  long c = 0;
  for (; c + lanes <= a.C; c += lanes) largest<R, S>(a, x + c, o, y + c, index + c);
  for (; c < a.C; ++c) largest_one(a, x + c, o, y + c, index + c);
}

template <class T>
void largest_row(const PoolArgs& args, long n, long p) {
  const PoolArgs a = args;  // a copy of its own, which no store through `index` can change
  const Span rows = rows_of(a).elements(p);
  const Axis along = columns_of(a);
  const T* x = (const T*)a.in + n * a.in_n + rows.first * a.in_h;
  const long base = (n * a.P + p) * a.Q * a.C;
  for (long q = 0; q < a.Q; ++q) {
    const Span columns = along.elements(q);
    const Window o = {rows.end - rows.first, columns.end - columns.first,
                      rows.first * a.W + columns.first};
    const T* from = x + columns.first * a.in_w;
    T* y = (T*)a.out + base + q * a.C;
    int64_t* index = a.index + base + q * a.C;
    if (o.rows == 2 && o.columns == 2)
      largest_pixel<2, 2>(a, from, o, y, index);
    else if (o.rows == 3 && o.columns == 3)
      largest_pixel<3, 3>(a, from, o, y, index);
    else
      largest_pixel<0, 0>(a, from, o, y, index);
  }
}

template <class T>
void run_max(const PoolArgs& a) {
  parallel_for(a.N * a.P, 4, [&](long begin, long end) {
    for (long i = begin; i < end; ++i) largest_row<T>(a, i / a.P, i % a.P);
  });
}

enum {
  kPicks = 32,
  kChannels = 64
};  // picks of a task that gathers; channels of one that scatters

// Whether all positions lie in 0 .. pixels - 1: neither i nor pixels - 1 - i has its sign bit set.
bool all_inside(const GatherArgs& a) {
  const uint64_t last = (uint64_t)a.pixels - 1;
  int outside = 0;
  parallel_for(a.N * a.picks, kPicks, [&](long begin, long end) {
    uint64_t signs = 0;
    for (long i = begin * a.C; i < end * a.C; ++i)
      signs |= (uint64_t)a.index[i] | (last - (uint64_t)a.index[i]);
    if (signs >> 63) __atomic_store_n(&outside, 1, __ATOMIC_RELAXED);
  });
  return !outside;
}

template <class T>
void run_gather(const GatherArgs& a) {
  parallel_for(a.N * a.picks, kPicks, [&](long begin, long end) {
    for (long i = begin; i < end; ++i) {
      const T* image = (const T*)a.image + i / a.picks * a.pixels * a.C;
      const int64_t* index = a.index + i * a.C;
      T* to = (T*)a.picked + i * a.C;
      for (long c = 0; c < a.C; ++c) to[c] = image[index[c] * a.C + c];
    }
  });
}

// Add the picks of channels [first, end) of one image to its elements.
template <class T>
void scatter_channels(const GatherArgs& a, long n, long first, long end) {
  T* image = (T*)a.image + n * a.pixels * a.C;
  for (long i = 0; i < a.pixels; ++i)
    memset(image + i * a.C + first, 0, (size_t)(end - first) * sizeof(T));
  for (long i = n * a.picks; i < (n + 1) * a.picks; ++i) {
    const int64_t* index = a.index + i * a.C;
    const T* from = (const T*)a.picked + i * a.C;
    for (long c = first; c < end; ++c) image[index[c] * a.C + c] += from[c];
  }
}

template <class T>
void run_scatter(const GatherArgs& a) {
  const long blocks = (a.C + kChannels - 1) / kChannels;
  parallel_for(a.N * blocks, 1, [&](long begin, long end) {
    for (long i = begin; i < end; ++i) {
      const long first = i % blocks * kChannels;
      scatter_channels<T>(a, i / blocks, first, min_of(first + kChannels, a.C));
    }
  });
}

}  // namespace

void max_pool2d(const PoolArgs& a) { a.is_double ? run_max<double>(a) : run_max<float>(a); }
bool gather2d(const GatherArgs& a) {
  if (!all_inside(a)) return false;  // nothing has been written yet
  a.is_double ? run_gather<double>(a) : run_gather<float>(a);
  return true;
}
bool scatter2d(const GatherArgs& a) {
  if (!all_inside(a)) return false;
  a.is_double ? run_scatter<double>(a) : run_scatter<float>(a);
  return true;
}

}  // namespace TG_ISA
