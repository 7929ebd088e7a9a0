// Memory for arrays and for scratch: one cache of large blocks, which all threads share.
//
// Touching fresh pages costs more than many kernels do (0.4-1.8 GB/s on 4 KiB pages), so blocks
// that come back are kept for whoever asks next. Those of 2 MiB and more lie on huge pages and are
// split and joined: runs.hpp. Those below 16 KiB are malloc's, which keeps them warm itself; they
// are not counted below.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum TgUse { TG_SCRATCH, TG_ARRAY };

// At least `bytes`, 64-byte aligned (arrays below 16 KiB as malloc aligns), holding anything, or
// zeros; null if memory is out even after all that is idle went back to the system.
void* tg_memory_take(size_t bytes, TgUse use);
void* tg_memory_take_zeroed(size_t bytes);

// `block` with room for `bytes`, moved if need be (a block of malloc's to an address aligned for
// any type); null, and the block as it was, if memory is out. A null block is a new one.
void* tg_memory_resize(void* block, size_t bytes);

// From any thread; null is let pass.
void tg_memory_give_back(void* block);

struct TgMemoryStats {
  size_t in_use, idle, peak;  // bytes; the peak is that of in_use
  uint64_t hits, misses;      // blocks that were idle before, and that had to be mapped
};
TgMemoryStats tg_memory_stats();
void tg_memory_reset_peak();

// Give everything idle back to the system; return how many bytes that was.
size_t tg_memory_trim();

// False in builds for AddressSanitizer, where every block is malloc's and exact.
bool tg_memory_caches();
