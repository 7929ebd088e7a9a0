// Draws of one (seed, stream, step): philox.cpp's kernel on a GPU, with the bits of the references
// (kernels/philox/reference.py, normal.py). Compiled without contraction to FMA.
//
// A thread a Philox block, four words: value i takes word start + i, so the first and the last
// block may be cut. The step is read from device memory where there is a pointer to it, so that a
// captured graph draws other numbers each time it is replayed. Traffic: four bytes written a value;
// a normal costs some 60 double operations, which an H100 hides behind the stores, smaller GPUs
// don't.
#include "common/tg_device.cuh"
#include "philox/quantile.hpp"

enum { kUniform = 0, kNormal = 1 };

struct Words {
  unsigned w[4];
};

// Multipliers, section 4.3 of the paper; Weyl increments: golden ratio, sqrt(3) - 1.
__device__ __forceinline__ Words philox4x32(unsigned long long index, unsigned step,
                                            unsigned stream, unsigned long long seed) {
  unsigned c0 = static_cast<unsigned>(index), c1 = static_cast<unsigned>(index >> 32);
  unsigned c2 = step, c3 = stream;
  unsigned k0 = static_cast<unsigned>(seed), k1 = static_cast<unsigned>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    unsigned high0 = __umulhi(c0, 0xD2511F53u), low0 = c0 * 0xD2511F53u;
    unsigned high1 = __umulhi(c2, 0xCD9E8D57u), low1 = c2 * 0xCD9E8D57u;
    c0 = high1 ^ c1 ^ k0, c1 = low1;
    c2 = high0 ^ c3 ^ k1, c3 = low0;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

__device__ __forceinline__ unsigned step_of(unsigned step, const unsigned* step_at) {
  return step_at ? *step_at : step;
}

__device__ __forceinline__ float draw_of(unsigned word, int draw) {
  if (draw == kUniform) return static_cast<float>(word >> 8) * 0x1p-24f;
  double p = (static_cast<double>(word) + 0.5) * 0x1p-32, q = p - 0.5;
  return static_cast<float>(fabs(q) <= 0.425 ? central_quantile(q) : outer_quantile(p));
}

// Give write(i, word) every word of this thread's blocks that is asked for, by its place i.
template <class Write>
__device__ __forceinline__ void each_word(long long n, unsigned long long seed, unsigned stream,
                                          unsigned step, unsigned long long start, Write write) {
  long long first = static_cast<long long>(start / 4), skip = static_cast<long long>(start % 4);
  for (long long b = global_thread(); 4 * b < n + skip; b += global_threads()) {
    Words words = philox4x32(first + b, step, stream, seed);
    for (int k = 0; k < 4; ++k) {
      long long i = 4 * b + k - skip;
      if (0 <= i && i < n) write(i, words.w[k]);
    }
  }
}

TG_KERNEL __launch_bounds__(256)
    philox(float* __restrict__ out, long long n, int draw, unsigned long long seed, unsigned stream,
           unsigned step, const unsigned* step_at, unsigned long long start) {
  each_word(n, seed, stream, step_of(step, step_at), start,
            [&](long long i, unsigned word) { out[i] = draw_of(word, draw); });
}

// The words themselves, for draws of other kinds: each in 64 bits, as the references hold them.
TG_KERNEL __launch_bounds__(256)
    philox_words(unsigned long long* __restrict__ out, long long n, unsigned long long seed,
                 unsigned stream, unsigned step, const unsigned* step_at,
                 unsigned long long start) {
  each_word(n, seed, stream, step_of(step, step_at), start,
            [&](long long i, unsigned word) { out[i] = word; });
}
