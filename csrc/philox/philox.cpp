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

#include <string.h>

#include "../common/parallel.hpp"

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

// Wichura's AS 241, PPND16, lowest degree first: central branch, tail, far tail.
constexpr double kA[] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                         1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                         3.3430575583588128105e4, 2.5090809287301226727e3};
constexpr double kB[] = {1.0,
                         4.2313330701600911252e1,
                         6.8718700749205790830e2,
                         5.3941960214247511077e3,
                         2.1213794301586595867e4,
                         3.9307895800092710610e4,
                         2.8729085735721942674e4,
                         5.2264952788528545610e3};
constexpr double kC[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                         5.76949722146069140550e0,  3.64784832476320460504e0,
                         1.27045825245236838258e0,  2.41780725177450611770e-1,
                         2.27238449892691845833e-2, 7.74545014278341407640e-4};
constexpr double kD[] = {1.0,
                         2.05319162663775882187e0,
                         1.67638483018380384940e0,
                         6.89767334985100004550e-1,
                         1.48103976427480074590e-1,
                         1.51986665636164571966e-2,
                         5.47593808499534494600e-4,
                         1.05075007164441684324e-9};
constexpr double kE[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                         1.78482653991729133580e0,  2.96560571828504891230e-1,
                         2.65321895265761230930e-2, 1.24266094738807843860e-3,
                         2.71155556874348757815e-5, 2.01033439929228813265e-7};
constexpr double kF[] = {1.0,
                         5.99832206555887937690e-1,
                         1.36929880922735805310e-1,
                         1.48753612908506148525e-2,
                         7.86869131145613259100e-4,
                         1.84631831751005468180e-5,
                         1.42151175831644588870e-7,
                         2.04426310338993978564e-15};
// 2 artanh(s) / 2 s in s^2
constexpr double kArtanh[] = {1.0,        1.0 / 3.0,  1.0 / 5.0,  1.0 / 7.0,  1.0 / 9.0, 1.0 / 11.0,
                              1.0 / 13.0, 1.0 / 15.0, 1.0 / 17.0, 1.0 / 19.0, 1.0 / 21.0};

// Horner's rule, in the order of the reference.
template <int N>
inline double polynomial(const double (&c)[N], double x) {
  double y = x * c[N - 1];
#pragma GCC unroll 16
  for (int i = N - 2; i > 0; --i) y = (y + c[i]) * x;
  return y + c[0];
}

// x = m 2^e with m in [sqrt(1/2), sqrt(2)); log m = 2 artanh((m - 1) / (m + 1)). x is normal, > 0.
inline double log_of(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  double exponent = (double)((long)(bits >> 52) - 1022);
  bits = (bits & 0x000FFFFFFFFFFFFFull) | 0x3FE0000000000000ull;
  double m;
  memcpy(&m, &bits, sizeof m);
  if (m < 0.7071067811865476) m = 2.0 * m, exponent -= 1.0;
  const double s = (m - 1.0) / (m + 1.0);
  return exponent * 0.6931471805599453 + 2.0 * s * polynomial(kArtanh, s * s);
}

// Minus the quantile of small p.
inline double tail(double p) {
  const double r = __builtin_sqrt(-log_of(p));
  if (r <= 5.0) return polynomial(kC, r - 1.6) / polynomial(kD, r - 1.6);
  return polynomial(kE, r - 5.0) / polynomial(kF, r - 5.0);
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
    const double q = middle(w + i * each, T()) - 0.5, r = 0.180625 - q * q;
    z[i] = q * polynomial(kA, r) / polynomial(kB, r);
  }
  for (long i = 0; i < n; ++i) {
    const double p = middle(w + i * each, T()), q = p - 0.5;
    if (__builtin_fabs(q) <= 0.425) continue;
    const double size = tail(p < 1.0 - p ? p : 1.0 - p);
    z[i] = q < 0.0 ? -size : size;
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
