#include "parallel.hpp"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace {

// Idle workers first spin, since the next region of a training step follows within microseconds,
// then yield, then sleep: on a machine with as many busy threads as cores pure spinning stalls.
constexpr int kSpins = 2000, kYields = 50;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

thread_local int thread_index = 0;
thread_local bool in_region = false;

struct Region {
  TgBody body = nullptr;
  void* ctx = nullptr;
  long n = 0, grain = 1;
  std::atomic<long> next{0};

  void work() {
    for (;;) {
      long begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= n) return;
      body(ctx, begin, std::min(n, begin + grain));
    }
  }
};

class Pool {
 public:
  // Run the region on this thread and on workers that come to help; false if the pool is busy.
  bool run(int threads, TgBody body, void* ctx, long n, long grain) {
    std::unique_lock<std::mutex> busy(busy_, std::try_to_lock);
    if (!busy.owns_lock()) return false;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      start_workers(threads - 1);
      region_.body = body, region_.ctx = ctx, region_.n = n, region_.grain = grain;
      region_.next.store(0, std::memory_order_relaxed);
      seats_ = threads, seated_ = 1, open_ = true;
      generation_.fetch_add(1, std::memory_order_release);
      if (sleeping_ > 0) wake_.notify_all();
    }
    region_.work();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      open_ = false;  // workers that have not come by now are not waited for
    }
    for (int spins = 0; helping_.load(std::memory_order_acquire) != 0; ++spins)
      spins < kSpins ? relax() : (void)sched_yield();
    return true;
  }

 private:
  void start_workers(int wanted) {
    while (workers_ < wanted) {
      try {
        std::thread([this] { worker(); }).detach();
      } catch (const std::system_error&) {
        return;  // no more threads to be had: those that run do the work
      }
      ++workers_;
    }
  }

  void worker() {
    uint64_t seen = 0;
    in_region = true;
    for (;;) {
      wait_for_news(seen);
      {
        std::lock_guard<std::mutex> lock(mutex_);
        seen = generation_.load(std::memory_order_relaxed);
        if (!open_ || seated_ >= seats_) continue;
        thread_index = seated_++;
        helping_.fetch_add(1, std::memory_order_relaxed);
      }
      region_.work();
      helping_.fetch_sub(1, std::memory_order_release);
    }
  }

  void wait_for_news(uint64_t seen) {
    for (int i = 0; i < kSpins + kYields; ++i) {
      if (generation_.load(std::memory_order_acquire) != seen) return;
      i < kSpins ? relax() : (void)sched_yield();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    ++sleeping_;
    wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
    --sleeping_;
  }

  std::mutex busy_;   // held by the thread whose region runs
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  int workers_ = 0, sleeping_ = 0, seats_ = 0, seated_ = 0;
  bool open_ = false;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> helping_{0};
  Region region_;
};

// Never destroyed: detached workers may outlive the static destructors. Replaced in a forked child,
// where the workers are gone and a mutex may have been left locked.
Pool* pool = new Pool;

void after_fork_in_child() {
  pool = new Pool;
  in_region = false;
  thread_index = 0;
}

const int fork_handler = pthread_atfork(nullptr, nullptr, after_fork_in_child);

int default_threads() {
  const char* named = getenv("TINYGAN_NUM_THREADS");
  long n = named ? strtol(named, nullptr, 10) : 0;
#if defined(__linux__)
  cpu_set_t set;
  if (n <= 0 && sched_getaffinity(0, sizeof set, &set) == 0) n = CPU_COUNT(&set);
#endif
  if (n <= 0) n = (long)std::thread::hardware_concurrency();
  return (int)std::clamp(n, 1L, (long)TG_MAX_THREADS);
}

std::atomic<int> threads_wanted{default_threads()};

}  // namespace

int tg_num_threads() { return threads_wanted.load(std::memory_order_relaxed); }

void tg_set_num_threads(int n) {
  threads_wanted.store(std::clamp(n, 1, (int)TG_MAX_THREADS), std::memory_order_relaxed);
}

int tg_thread_index() { return thread_index; }

void tg_parallel_for_on(int max_threads, long n, long grain, TgBody body, void* ctx) {
  if (n <= 0) return;
  grain = std::max(grain, 1L);
  int threads = (int)std::min<long>(std::min(max_threads, tg_num_threads()), (n - 1) / grain + 1);
  if (threads > 1 && !in_region) {
    in_region = true;
    bool ran = pool->run(threads, body, ctx, n, grain);
    in_region = false;
    if (ran) return;
  }
  for (long begin = 0; begin < n; begin += grain) body(ctx, begin, std::min(n, begin + grain));
}

void tg_parallel_for(long n, long grain, TgBody body, void* ctx) {
  tg_parallel_for_on(TG_MAX_THREADS, n, grain, body, ctx);
}
