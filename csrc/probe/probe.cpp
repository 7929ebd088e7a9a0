// Two loops at the limits of the machine: multiply-adds in registers, and a copy through memory.
//
// probe_fma runs kChains independent chains of fused multiply-adds on every thread, more than the
// latency of a multiply-add times the units for it (4 cycles, 2 units), and no memory. probe_copy
// copies in parts of kCopyBlock bytes.
#include "probe.hpp"

#include "../common/parallel.hpp"
#include "../common/simd.hpp"

namespace TG_ISA {
namespace {

constexpr int kChains = 12;
constexpr long kSteps = 1024;            // multiply-adds of a chain in a round
constexpr long kCopyBlock = 256L << 10;  // bytes

}  // namespace

// Run `rounds` rounds on each thread; return the floating-point operations done, two a lane. What
// was computed goes to `sink`, so that it is not optimised away.
double probe_fma(long rounds, double* sink) {
  const long threads = tg_num_threads();
  parallel_for(threads, 1, [&](long begin, long end) {
    for (long thread = begin; thread < end; ++thread) {
      VF chains[kChains], factor = splat(0.999f), term = splat(0.001f);
#pragma GCC unroll 12
      for (int i = 0; i < kChains; ++i) chains[i] = splat((float)i);
      for (long step = 0; step < rounds * kSteps; ++step)
#pragma GCC unroll 12
        for (int i = 0; i < kChains; ++i) chains[i] = chains[i] * factor + term;
      VF sum = {};
      for (int i = 0; i < kChains; ++i) sum += chains[i];
      sink[thread] = sum_lanes<float>(sum);
    }
  });
  return 2.0 * kLanesF * kChains * (double)kSteps * (double)rounds * (double)threads;
}

void probe_copy(const float* from, float* to, long n) {
  parallel_for(n, kCopyBlock / (long)sizeof(float), [&](long begin, long end) {
    memcpy(to + begin, from + begin, (size_t)(end - begin) * sizeof(float));
  });
}

}  // namespace TG_ISA
