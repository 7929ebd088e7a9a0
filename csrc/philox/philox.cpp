// Philox4x32-10 and the maps from its words to uniform and normal numbers, with the bits of NumPy.
//
// Mapping. A chunk of values at a time: its words, then the map, in loops that the compiler turns
// into vectors. The chunks depend on nothing but n, and a value on its place alone, so any number
// of threads gives the same bits. Traffic: the output is written once; everything else stays in L1.
//
// Bits. The references (kernels/philox/reference.py, normal.py) use integers and + - * / sqrt,
// which IEEE 754 rounds correctly. Here stands the same, operation by operation; a product and a
// sum must not become one rounding, so setup.py compiles this folder with -ffp-contract=off.

#include "philox.hpp"

#include <math.h>

#include "../common/parallel.hpp"
#include "quantile.hpp"

namespace TG_ISA {
namespace {

constexpr long kValues = 256;             // of a chunk
constexpr long kChunks = 8;               // a thread takes at once: some 10 us
constexpr long kWords = 2 * kValues + 8;  // of a chunk, with what precedes it in the first block

// Multipliers, section 4.3 of the paper; Weyl increments: golden ratio, sqrt(3) - 1.
constexpr uint64_t kM0 = 0xD2511F53, kM1 = 0xCD9E8D57;
constexpr uint32_t kW0 = 0x9E3779B9, kW1 = 0xBB67AE85;

// Write the words of blocks [first, first + count).
void blocks(const Philox& s, uint64_t first, long count, uint32_t* out) {
  for (long i = 0; i < count; ++i) {
    const uint64_t index = first + (uint64_t)i;
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32), c2 = s.step, c3 = s.stream;
    uint32_t k0 = (uint32_t)s.seed, k1 = (uint32_t)(s.seed >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
      const uint64_t p0 = c0 * kM0, p1 = c2 * kM1;
      c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, c1 = (uint32_t)p1;
      c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1, c3 = (uint32_t)p0;
      k0 += kW0, k1 += kW1;
    }
    out[4 * i] = c0, out[4 * i + 1] = c1, out[4 * i + 2] = c2, out[4 * i + 3] = c3;
  }
}

// The middle of one of 2^32 or 2^52 cells of [0, 1]; w has one or two words a value.
inline double middle(const uint32_t* w, float) { return ((double)w[0] + 0.5) * 0x1p-32; }
inline double middle(const uint32_t* w, double) {
  const uint64_t cell = (uint64_t)w[0] << 20 | w[1] >> 12;
  return ((double)cell + 0.5) * 0x1p-52;
}

// n quantiles of the standard normal distribution, a word or two each.
template <class T>
void quantiles(const uint32_t* w, T* out, long n) {
  constexpr long each = sizeof(T) / sizeof(uint32_t);
  double z[kValues];
  for (long i = 0; i < n; ++i) {
    z[i] = central_quantile(middle(w + i * each, T()) - 0.5);
  }
  for (long i = 0; i < n; ++i) {
    const double p = middle(w + i * each, T());
    if (__builtin_fabs(p - 0.5) > 0.425) z[i] = outer_quantile(p);
  }
  for (long i = 0; i < n; ++i) out[i] = (T)z[i];
}

// 24 bits of one word, 53 of two.
inline float uniform(const uint32_t* w, float) { return (float)(w[0] >> 8) * 0x1p-24f; }
inline double uniform(const uint32_t* w, double) {
  return (double)((uint64_t)(w[0] >> 5) << 26 | w[1] >> 6) * 0x1p-53;
}

template <class T>
void chunk(const Philox& s, long begin, long n) {
  constexpr long each = sizeof(T) / sizeof(uint32_t);
  uint32_t words[kWords];
  const uint64_t first = s.start + (uint64_t)(begin * each);
  blocks(s, first / 4, ((long)(first % 4) + n * each + 3) / 4, words);
  const uint32_t* w = words + first % 4;
  T* out = (T*)s.out + begin;
  if (s.draw == TG_UNIFORM) {
    for (long i = 0; i < n; ++i) out[i] = uniform(w + i * each, T());
    return;
  }
  quantiles(w, out, n);
}

template <class T>
void run(const Philox& s) {
  const long chunks = (s.n + kValues - 1) / kValues;
  parallel_for(chunks, kChunks, [&](long first, long last) {
    for (long at = first; at < last; ++at) {
      const long begin = at * kValues, left = s.n - begin;
      chunk<T>(s, begin, left < kValues ? left : kValues);
    }
  });
}

}  // namespace

void philox(const Philox& s) { s.is_double ? run<double>(s) : run<float>(s); }

}  // namespace TG_ISA
