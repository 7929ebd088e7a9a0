// One simulated thread block: its threads are fibers of one OS thread, its warps are 32 of them.
//
// A thread runs until it meets a barrier, a warp collective or its end. The scheduler goes round
// the threads in ascending, descending or random order, so that a missing barrier, which one order
// hides, shows in another. Shared memory is filled with NaN before each block. What a GPU would
// leave undefined is an error here: threads that wait for others that never come, lanes of one mask
// that meet in different collectives, a lane outside of its own mask.
//
// What it can't show: the GPU's memory model (a fence that is missing between blocks), and time.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "cusim/fibers.hpp"

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

namespace cusim {

enum Order { ASCENDING = 0, DESCENDING = 1, RANDOM = 2 };
enum State { READY, AT_BARRIER, IN_COLLECTIVE, DONE };

struct Warp;

// An asynchronous copy on its way: it lands when its group is waited for, and not before.
struct Copy {
  void* to;
  const void* from;
  int bytes, taken;  // of the source; the rest is zeros
};

struct Thread {
  Context context{};
  char* stack = nullptr;
  uint3 index{};
  int linear = 0, lane = 0;
  Warp* warp = nullptr;
  State state = READY;
  std::vector<Copy> open;                 // since the last commit
  std::vector<std::vector<Copy>> groups;  // committed, the oldest first
};

// A collective under way: which lanes it needs, which have come, and what they brought.
struct Meeting {
  unsigned mask = 0, come = 0;
  const void* what = nullptr;
  void (*work)(void** brought, unsigned needed) = nullptr;
  void* brought[32] = {};
};

struct Warp {
  Thread* lanes[32] = {};
  unsigned live = 0;
  Meeting meetings[8];
};

struct Block {
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<char> shared;
  std::vector<int> order;
  uint3 index{};
  dim3 extent, grid;
  Context scheduler{};
  Thread* running = nullptr;
  int live = 0, waiting = 0;
  void (*kernel)(void*) = nullptr;
  void* arguments = nullptr;
  Order mode = ASCENDING;
  unsigned random = 1;
  char* error = nullptr;  // kErrorBytes of it; empty: none
};

enum { kErrorBytes = 256, kSharedAlignment = 1024 };

inline Block& block() {
  static Block only;
  return only;
}

inline Thread& self() { return *block().running; }

// Report what went wrong and leave the kernel: its other threads never go on.
inline void fail(const char* what) {
  Block& b = block();
  std::snprintf(b.error, kErrorBytes, "%s (block %u, %u, %u, thread %d)", what, b.index.x,
                b.index.y, b.index.z, b.running ? b.running->linear : -1);
  if (b.running) switch_to(b.running->context, b.scheduler);
}

inline void pause() { switch_to(self().context, block().scheduler); }

inline void barrier() {
  self().state = AT_BARRIER;
  ++block().waiting;
  pause();
}

// Do the work of a meeting whose lanes have all come, and wake them.
inline void finish(Warp& w, Meeting& m) {
  unsigned needed = m.come;
  m.come = 0;
  m.work(m.brought, needed);
  for (int lane = 0; lane < 32; ++lane)
    if (needed >> lane & 1) w.lanes[lane]->state = READY;
}

// The last lane of `mask` to come does the work for all; the others sleep until then. Lanes that
// have left the kernel count as there, as on every GPU since sm_70. `what` names the operation.
inline void collective(unsigned mask, const void* what, void* brought,
                       void (*work)(void** brought, unsigned needed)) {
  Thread& t = self();
  Warp& w = *t.warp;
  if (!(mask >> t.lane & 1)) fail("a lane is not in the mask of its own collective");
  Meeting* here = nullptr;
  for (Meeting& m : w.meetings)
    if (m.come && m.mask == mask) here = &m;
  if (!here) {
    for (Meeting& m : w.meetings)
      if (!m.come) here = &m;
    if (!here) fail("more collectives at once than a warp has");
    here->mask = mask;
    here->what = what;
    here->work = work;
  }
  if (here->what != what) fail("lanes of one mask met in different collectives");
  here->brought[t.lane] = brought;
  here->come |= 1u << t.lane;
  if (here->come == (mask & w.live)) {
    finish(w, *here);
    return;
  }
  t.state = IN_COLLECTIVE;
  pause();
}

// A lane leaves: those that waited for it alone go on.
inline void leave(Thread& t) {
  t.state = DONE;
  Warp& w = *t.warp;
  w.live &= ~(1u << t.lane);
  --block().live;
  for (Meeting& m : w.meetings)
    if (m.come && m.come == (m.mask & w.live)) finish(w, m);
}

// Let the oldest groups of copies land, until `left` are on their way.
inline void land_copies(int left) {
  std::vector<std::vector<Copy>>& groups = self().groups;
  while (static_cast<int>(groups.size()) > left) {
    for (const Copy& copy : groups.front()) {
      std::memcpy(copy.to, copy.from, copy.taken);
      std::memset(static_cast<char*>(copy.to) + copy.taken, 0, copy.bytes - copy.taken);
    }
    groups.erase(groups.begin());
  }
}

inline unsigned draw(Block& b) {  // xorshift
  b.random ^= b.random << 13;
  b.random ^= b.random >> 17;
  b.random ^= b.random << 5;
  return b.random;
}

inline void first_words() {
  Block& b = block();
  arrived(b.scheduler);
  b.kernel(b.arguments);
  Thread& t = self();
  if (!t.open.empty() || !t.groups.empty())
    fail("a thread left with copies that nobody waited for");
  leave(t);
  switch_to(t.context, b.scheduler, true);
  std::abort();
}

inline void lay_out(Block& b, std::size_t shared_bytes) {
  int count = b.extent.x * b.extent.y * b.extent.z;
  int had = b.threads.size();
  if (had < count) b.threads.resize(count);
  for (int i = had; i < count; ++i)
    b.threads[i].stack = static_cast<char*>(std::aligned_alloc(64, kStackBytes));
  b.warps.assign((count + 31) / 32, Warp{});
  b.order.resize(count);
  b.shared.resize(shared_bytes + kSharedAlignment);
  b.live = count;
}

// Threads of a block that begins: none has run yet, shared memory holds NaN.
inline void reset(Block& b, char* statics, std::size_t static_bytes) {
  int count = b.order.size();
  std::memset(b.shared.data(), 0xFF, b.shared.size());
  std::memset(statics, 0xFF, static_bytes);
  b.live = count;
  b.waiting = 0;
  for (int i = 0; i < count; ++i) {
    Thread& t = b.threads[i];
    t.linear = i;
    t.lane = i & 31;
    t.warp = &b.warps[i >> 5];
    t.warp->lanes[t.lane] = &t;
    t.warp->live |= 1u << t.lane;
    t.index = {i % b.extent.x, i / b.extent.x % b.extent.y, i / (b.extent.x * b.extent.y)};
    t.state = READY;
    t.open.clear();
    t.groups.clear();
    b.order[i] = b.mode == DESCENDING ? count - 1 - i : i;
    begin(t.context, t.stack, first_words);
  }
}

inline void run_block(Block& b) {
  int count = b.order.size();
  while (b.live && !*b.error) {
    bool moved = false;
    if (b.mode == RANDOM)
      for (int i = count - 1; i > 0; --i) std::swap(b.order[i], b.order[draw(b) % (i + 1)]);
    for (int i : b.order) {
      if (b.threads[i].state != READY) continue;
      moved = true;
      b.running = &b.threads[i];
      switch_to(b.scheduler, b.running->context);
      b.running = nullptr;
      if (*b.error) return;
    }
    if (b.waiting && b.waiting == b.live) {
      b.waiting = 0;
      for (Thread& t : b.threads)
        if (t.state == AT_BARRIER) t.state = READY;
      moved = true;
    }
    if (!moved) fail("threads wait for others that never come");
  }
}

template <class... A, std::size_t... I>
inline void call(void (*kernel)(A...), void** values, std::index_sequence<I...>) {
  kernel(*static_cast<A*>(values[I])...);
}

struct Launch {
  unsigned grid[3], block[3];
  std::size_t shared_bytes;
  int order;
  unsigned seed;
};

// Run a kernel on its whole grid, block after block; leave what went wrong in `error`.
template <class... A>
inline void launch(void (*kernel)(A...), const Launch& how, void** values, char* error,
                   char* statics, std::size_t static_bytes) {
  static std::mutex one_at_a_time;  // shared memory of a kernel is one static array
  std::lock_guard<std::mutex> lock(one_at_a_time);
  struct Bound {
    void (*kernel)(A...);
    void** values;
  } bound{kernel, values};
  Block& b = block();
  *error = 0;
  b.error = error;
  b.extent = dim3(how.block[0], how.block[1], how.block[2]);
  b.grid = dim3(how.grid[0], how.grid[1], how.grid[2]);
  b.mode = static_cast<Order>(how.order);
  b.random = how.seed * 2654435761u | 1;
  b.arguments = &bound;
  b.kernel = [](void* p) {
    Bound* c = static_cast<Bound*>(p);
    call(c->kernel, c->values, std::index_sequence_for<A...>{});
  };
  lay_out(b, how.shared_bytes);
  unsigned count = b.grid.x * b.grid.y * b.grid.z;
  for (unsigned i = 0; i < count && !*error; ++i) {
    unsigned k = b.mode == DESCENDING ? count - 1 - i : i;
    b.index = {k % b.grid.x, k / b.grid.x % b.grid.y, k / (b.grid.x * b.grid.y)};
    reset(b, statics, static_bytes);
    run_block(b);
  }
}

}  // namespace cusim
