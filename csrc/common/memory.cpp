#include "memory.hpp"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>

#include "runs.hpp"

namespace {

#if defined(__SANITIZE_ADDRESS__)  // every block is new and exact: a step beyond it is seen
constexpr size_t kLeastKept = SIZE_MAX;
#else
constexpr size_t kLeastKept = size_t(16) << 10;
#endif
constexpr size_t kAlign = 64;  // a cache line, and the widest vector
constexpr size_t kPage = 4096;
constexpr size_t kLarge = TgRuns::kSlot;   // from here on blocks are split and joined
constexpr size_t kMost = size_t(1) << 47;  // the addresses of a process; more is refused unasked
constexpr size_t kScratchKept = size_t(512) << 20;

size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

class Cache {
 public:
  // At least `bytes`, of which `*zeros` says whether it holds zeros alone; null if out of memory.
  void* take(size_t bytes, TgUse use, bool* zeros) {
    std::lock_guard<std::mutex> lock(mutex_);
    bool mapped = false;
    *zeros = false;
    Block block{0, 0, use};
    void* data = bytes < kLarge ? take_small(bytes, &block, &mapped)
                                : take_large(bytes, &block, &mapped, zeros);
    if (!data) return nullptr;
    try {
      taken_[data] = block;
    } catch (const std::bad_alloc&) {
      lie_idle(data, block);
      return nullptr;
    }
    ++(mapped ? misses_ : hits_);
    in_use_ += block.size, peak_ = std::max(peak_, in_use_);
    if (use == TG_ARRAY) arrays_ += block.size, most_arrays_ = std::max(most_arrays_, arrays_);
    return data;
  }

  // False if the block is not one of the cache's.
  bool give_back(void* data) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = taken_.find(data);
    if (found == taken_.end()) return false;
    Block block = found->second;
    taken_.erase(found);
    in_use_ -= block.size;
    if (block.use == TG_ARRAY) arrays_ -= block.size;
    lie_idle(data, block);
    evict(0);
    return true;
  }

  // The size of a block that is taken; 0 if it is not one of the cache's.
  size_t size_of(void* data) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = taken_.find(data);
    return found == taken_.end() ? 0 : found->second.size;
  }

  size_t give_all_back() {
    std::lock_guard<std::mutex> lock(mutex_);
    most_arrays_ = arrays_;
    return trim();
  }

  TgMemoryStats stats() {
    std::lock_guard<std::mutex> lock(mutex_);
    return {in_use_, idle(), peak_, hits_, misses_};
  }

  void reset_peak() {
    std::lock_guard<std::mutex> lock(mutex_);
    peak_ = in_use_;
  }

  void before_fork() { mutex_.lock(); }
  void after_fork() { mutex_.unlock(); }

 private:
  struct Block {
    size_t size;
    size_t span;  // of a large one; else 0
    TgUse use;
  };
  struct Idle {
    void* data;
    uint64_t since;
  };
  using SmallBlocks = std::multimap<size_t, Idle>;  // by size

  void* take_small(size_t bytes, Block* block, bool* mapped) {
    auto fit = small_.lower_bound(bytes);
    // Up to a third of a block may lie waste. Measured on a DCGAN step: with none the cache grows
    // to twice the size, with more it does not shrink further.
    if (fit != small_.end() && fit->first <= bytes + bytes / 2) {
      void* data = fit->second.data;
      block->size = fit->first;
      small_bytes_ -= fit->first;
      small_.erase(fit);
      return data;
    }
    *mapped = true;
    block->size = round_up(bytes, kPage);
    evict(block->size);
    void* data = nullptr;
    for (;;) {
      if (posix_memalign(&data, kPage, block->size) == 0) return data;
      if (trim() == 0) return nullptr;
    }
  }

  void* take_large(size_t bytes, Block* block, bool* mapped, bool* zeros) {
    TgRuns::Block found = large_.take(bytes);
    if (!found.data) {
      *mapped = true;
      evict(bytes);
      found = large_.map(bytes);
      if (!found.data && trim() > 0) found = large_.map(bytes);
    }
    block->size = found.held, block->span = found.span;
    *zeros = found.fresh;
    return found.data;
  }

  void lie_idle(void* data, const Block& block) {
    if (block.span) return large_.give_back((char*)data, block.span, ++clock_);
    try {
      small_.insert({block.size, {data, ++clock_}});
      small_bytes_ += block.size;
    } catch (const std::bad_alloc&) {
      free(data);
    }
  }

  size_t idle() const { return small_bytes_ + large_.idle(); }

  // Give idle blocks back, the longest idle first, until a block of `bytes` that must be mapped
  // (0: none) fits under the bound: what arrays have needed at most and a quarter more, and
  // scratch memory. A step of training frees nearly all its arrays at its end and wants them again
  // in the next, so they must stay.
  void evict(size_t bytes) {
    size_t bound = kScratchKept + most_arrays_ + most_arrays_ / 4;
    while (idle() > 0) {
      size_t held = in_use_ + idle() + (bytes < kLarge ? bytes : large_.missing(bytes));
      if (held <= bound) return;
      auto older = [](const auto& a, const auto& b) { return a.second.since < b.second.since; };
      auto oldest = std::min_element(small_.begin(), small_.end(), older);
      if (oldest == small_.end() || large_.oldest() < oldest->second.since) {
        large_.release(held - bound);
      } else {
        free(oldest->second.data);
        small_bytes_ -= oldest->first;
        small_.erase(oldest);
      }
    }
  }

  size_t trim() {
    for (auto& [size, block] : small_) free(block.data);
    small_.clear();
    return std::exchange(small_bytes_, 0) + large_.release_all();
  }

  std::mutex mutex_;  // guards all that follows
  std::unordered_map<void*, Block> taken_;
  SmallBlocks small_;  // idle
  TgRuns large_;
  size_t small_bytes_ = 0, in_use_ = 0, peak_ = 0, arrays_ = 0, most_arrays_ = 0;
  uint64_t hits_ = 0, misses_ = 0, clock_ = 0;
};

// Never destroyed: arrays may outlive the static destructors.
Cache* cache = new Cache;

// Held while a process forks, so that the child finds it whole: it frees arrays that it inherited.
const int fork_handlers = pthread_atfork([] { cache->before_fork(); }, [] { cache->after_fork(); },
                                         [] { cache->after_fork(); });

// Blocks of the cache begin a page; the few of malloc's that do so too are looked for in vain.
bool may_be_kept(void* block) { return (uintptr_t)block % kPage == 0; }

void* tiny_block(size_t bytes, TgUse use) {
  bytes = std::max<size_t>(bytes, 1);
  for (;;) {
    void* data = nullptr;
    if (use == TG_ARRAY)  // aligning it, 40-90 ns measured, would cost more than it brings
      data = malloc(bytes);
    else if (posix_memalign(&data, kAlign, bytes) != 0)
      data = nullptr;
    if (data || cache->give_all_back() == 0) return data;
  }
}

void* take(size_t bytes, TgUse use, bool* zeros) {
  *zeros = false;
  if (bytes > kMost) return nullptr;
  return bytes < kLeastKept ? tiny_block(bytes, use) : cache->take(bytes, use, zeros);
}

}  // namespace

void* tg_memory_take(size_t bytes, TgUse use) {
  bool zeros;
  return take(bytes, use, &zeros);
}

void* tg_memory_take_zeroed(size_t bytes) {
  bool zeros;
  void* data = take(bytes, TG_ARRAY, &zeros);
  if (data && !zeros) memset(data, 0, bytes);
  return data;
}

void* tg_memory_resize(void* block, size_t bytes) {
  if (!block) return tg_memory_take(bytes, TG_ARRAY);
  if (bytes > kMost) return nullptr;
  size_t size = may_be_kept(block) ? cache->size_of(block) : 0;
  if (size == 0) {  // malloc's; it knows how much to copy
    void* moved = realloc(block, std::max<size_t>(bytes, 1));
    if (moved || cache->give_all_back() == 0) return moved;
    return realloc(block, std::max<size_t>(bytes, 1));
  }
  if (bytes <= size && bytes > size / 2) return block;
  void* moved = tg_memory_take(bytes, TG_ARRAY);
  if (!moved) return nullptr;
  memcpy(moved, block, std::min(bytes, size));
  tg_memory_give_back(block);
  return moved;
}

void tg_memory_give_back(void* block) {
  if (!may_be_kept(block) || !cache->give_back(block)) free(block);
}

TgMemoryStats tg_memory_stats() { return cache->stats(); }
void tg_memory_reset_peak() { cache->reset_peak(); }
size_t tg_memory_trim() { return cache->give_all_back(); }
bool tg_memory_caches() { return kLeastKept != SIZE_MAX; }
