// The thread pool, with a C-like interface that the per-CPU kernel files may include.
//
// A range [0, n) is cut into chunks of `grain` items, the last one shorter. Threads take chunks in
// turn, so *which* thread runs a chunk varies, but the chunks themselves depend on (n, grain) only.
// A kernel whose grain does not depend on the number of threads is therefore bit-equal for all.
#pragma once

#include <stddef.h>

typedef void (*TgBody)(void* ctx, long begin, long end);

// Call body(ctx, begin, end) for every chunk of [0, n), on at most `max_threads` threads, and
// return when all are done. Inside another region, or while another thread's region runs, it is
// serial. Bodies must not throw.
void tg_parallel_for_on(int max_threads, long n, long grain, TgBody body, void* ctx);

// The same, on tg_num_threads() threads.
void tg_parallel_for(long n, long grain, TgBody body, void* ctx);

// Which of the threads of the running region this is: 0 <= index < max_threads.
int tg_thread_index();

int tg_num_threads();
void tg_set_num_threads(int n);  // clamped to 1 .. TG_MAX_THREADS

enum { TG_MAX_THREADS = 256 };

#ifdef TG_ISA
namespace TG_ISA {

// parallel_for(n, grain, [&](long begin, long end) { ... });
template <class Body>
inline void parallel_for(long n, long grain, const Body& body) {
  tg_parallel_for(
      n, grain, [](void* ctx, long begin, long end) { (*(const Body*)ctx)(begin, end); },
      (void*)&body);
}

// The same on at most `max_threads` threads: for bodies with one scratch slot a thread.
template <class Body>
inline void parallel_for_on(int max_threads, long n, long grain, const Body& body) {
  tg_parallel_for_on(
      max_threads, n, grain,
      [](void* ctx, long begin, long end) { (*(const Body*)ctx)(begin, end); }, (void*)&body);
}

}  // namespace TG_ISA
#endif
