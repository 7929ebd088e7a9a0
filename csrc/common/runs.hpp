// Large blocks: runs of slots of 2 MiB, a huge page each, which are split and joined by need.
//
//   address   edge                                            a hole: another's memory
//             | idle run  | block  | block   | idle  | block |......| block | ...
//             grows <-
//
// A block takes the upper end of the smallest idle run that holds it (best fit); one that comes
// back joins the idle runs beside it. So the arrays of the next layer, of other sizes, find room
// where those of the last one lay, and little more is held than was ever in use at once: with
// blocks of fixed sizes that was 30 % more on a training step. Where no run is long enough, memory
// is mapped just below the lowest, at the edge, to which an idle run there contributes its part.
//
// A block whose size is no multiple of a slot leaves the rest of its last slot untouched: that slot
// then has small pages, of which the system gives as many as are touched. Else 2.1 MiB would
// cost 4.
//
// Not for several threads at once; memory.cpp holds a lock.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <map>
#include <set>
#include <utility>

class TgRuns {
 public:
  static constexpr size_t kSlot = size_t(2) << 20;

  struct Block {
    char* data;   // null: none
    size_t span;  // of addresses, whole slots
    size_t held;  // of which the system has given so much, or will
    bool fresh;   // all zeros
  };

  // A block for `bytes`, from what lies idle; or from the system, as much as `missing` says.
  Block take(size_t bytes);
  Block map(size_t bytes);
  size_t missing(size_t bytes) const;

  // Let a block lie idle; `now` is to grow from call to call.
  void give_back(char* data, size_t span, uint64_t now);

  size_t idle() const { return idle_; }
  uint64_t oldest() const;     // when the longest idle run came back; UINT64_MAX if none is idle
  void release(size_t bytes);  // from that run to the system: so much of it, or all
  size_t release_all();

 private:
  struct Run {
    size_t span;
    uint64_t since;
  };
  using ByAddress = std::map<char*, Run>;

  void resize(ByAddress::iterator run, char* data, size_t span);
  void erase(ByAddress::iterator run);
  void unmap(char* data, size_t span);
  size_t held(char* data, size_t span) const;
  size_t settle(char* data, size_t span, size_t bytes, bool fresh);

  ByAddress idle_runs_;
  std::set<std::pair<size_t, char*>> sizes_;  // of the same runs
  std::map<char*, size_t> partial_;  // slots with small pages: how much of each is or was in use
  size_t idle_ = 0;                  // bytes held in idle runs
  char* edge_ = nullptr;             // where the last mapping begins
};
