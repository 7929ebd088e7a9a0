#include "memory.hpp"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>

namespace {

#if defined(__SANITIZE_ADDRESS__)  // every block is new and exact: a step beyond it is seen
constexpr size_t kLeastKept = SIZE_MAX;
#else
constexpr size_t kLeastKept = size_t(16) << 10;
#endif
constexpr size_t kAlign = 64;  // a cache line, and the widest vector
constexpr size_t kPage = 4096, kHugePage = size_t(2) << 20;
constexpr size_t kRound = size_t(64) << 10;  // of mapped blocks: whole pages on every system
constexpr size_t kMost = size_t(1) << 47;    // the addresses of a process; more is refused unasked
constexpr size_t kScratchKept = size_t(512) << 20;

size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

// Fresh memory of `size` bytes at the start of a page, zeros if it is mapped; null if out of it.
void* map_block(size_t size) {
  if (size < kHugePage) {
    void* data = nullptr;
    return posix_memalign(&data, kPage, size) == 0 ? data : nullptr;
  }
  size_t reserved = size + kHugePage;
  void* raw = mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  char *begin = (char*)raw, *data = (char*)round_up((uintptr_t)raw, kHugePage);
  if (data != begin) munmap(begin, (size_t)(data - begin));
  munmap(data + size, (size_t)(begin + reserved - (data + size)));
#if defined(MADV_HUGEPAGE)
  madvise(data, size, MADV_HUGEPAGE);
#endif
  return data;
}

void unmap_block(void* data, size_t size) {
  size < kHugePage ? free(data) : (void)munmap(data, size);
}

class Cache {
 public:
  // At least `bytes`, of which `*fresh` says whether it was mapped just now; null if out of memory.
  void* take(size_t bytes, TgUse use, bool* fresh) {
    std::lock_guard<std::mutex> lock(mutex_);
    void* data = nullptr;
    auto fit = idle_.lower_bound(bytes);
    // Up to a third of a block may lie waste. Measured on a DCGAN step: with none the cache grows
    // to twice the size, with more it does not shrink further.
    *fresh = fit == idle_.end() || fit->first > bytes + bytes / 2;
    size_t size = *fresh ? round_up(bytes, bytes < kHugePage ? kPage : kRound) : fit->first;
    if (*fresh) {
      evict(size);
      data = map_block(size);
      if (!data && trim() > 0) data = map_block(size);
      if (!data) return nullptr;
    } else {
      data = fit->second.data;
    }
    try {
      taken_[data] = {size, use};
    } catch (const std::bad_alloc&) {
      if (*fresh) unmap_block(data, size);
      return nullptr;
    }
    if (!*fresh) forget(fit);
    ++(*fresh ? misses_ : hits_);
    in_use_ += size, peak_ = std::max(peak_, in_use_);
    if (use == TG_ARRAY) arrays_ += size, most_arrays_ = std::max(most_arrays_, arrays_);
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
    try {
      idle_.insert({block.size, {data, ++clock_}});
      idle_bytes_ += block.size;
    } catch (const std::bad_alloc&) {
      unmap_block(data, block.size);
    }
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
    return {in_use_, idle_bytes_, peak_, hits_, misses_};
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
    TgUse use;
  };
  struct Idle {
    void* data;
    uint64_t since;
  };
  using IdleBlocks = std::multimap<size_t, Idle>;  // by size

  void forget(IdleBlocks::iterator block) {
    idle_bytes_ -= block->first;
    idle_.erase(block);
  }

  // Give idle blocks back, the longest idle first, until `more` bytes fit under the bound: what
  // arrays have needed at most and a quarter more, and scratch memory. A step of training frees
  // nearly all its arrays at its end and wants them again in the next, so they must stay.
  void evict(size_t more) {
    size_t bound = kScratchKept + most_arrays_ + most_arrays_ / 4;
    while (!idle_.empty() && in_use_ + idle_bytes_ + more > bound) {
      auto older = [](const auto& a, const auto& b) { return a.second.since < b.second.since; };
      auto oldest = std::min_element(idle_.begin(), idle_.end(), older);
      unmap_block(oldest->second.data, oldest->first);
      forget(oldest);
    }
  }

  size_t trim() {
    for (auto& [size, block] : idle_) unmap_block(block.data, size);
    idle_.clear();
    return std::exchange(idle_bytes_, 0);
  }

  std::mutex mutex_;  // guards all that follows
  std::unordered_map<void*, Block> taken_;
  IdleBlocks idle_;
  size_t in_use_ = 0, idle_bytes_ = 0, peak_ = 0, arrays_ = 0, most_arrays_ = 0;
  uint64_t hits_ = 0, misses_ = 0, clock_ = 0;
};

// Never destroyed: arrays may outlive the static destructors.
Cache* cache = new Cache;

// Held while a process forks, so that the child finds it whole: it frees arrays that it inherited.
const int fork_handlers = pthread_atfork([] { cache->before_fork(); }, [] { cache->after_fork(); },
                                         [] { cache->after_fork(); });

// Blocks of the cache begin a page; the few of malloc's that do so too are looked for in vain.
bool may_be_kept(void* block) { return (uintptr_t)block % kPage == 0; }

void* small_block(size_t bytes, TgUse use) {
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

void* take(size_t bytes, TgUse use, bool* fresh) {
  if (bytes > kMost) return nullptr;
  return bytes < kLeastKept ? small_block(bytes, use) : cache->take(bytes, use, fresh);
}

}  // namespace

void* tg_memory_take(size_t bytes, TgUse use) {
  bool fresh;
  return take(bytes, use, &fresh);
}

void* tg_memory_take_zeroed(size_t bytes) {
  bool fresh = false;
  void* data = take(bytes, TG_ARRAY, &fresh);
  if (data && !(fresh && bytes >= kHugePage)) memset(data, 0, bytes);
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
