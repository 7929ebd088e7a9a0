#include "runs.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>
#include <new>

namespace {

constexpr size_t kSlot = TgRuns::kSlot;
constexpr size_t kRound = size_t(64) << 10;  // whole pages on every system

size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

char* map_at(char* hint, size_t size) {
  void* raw = mmap(hint, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return raw == MAP_FAILED ? nullptr : (char*)raw;
}

// At the start of a slot, wherever there is room.
char* map_anywhere(size_t size) {
  size_t reserved = size + kSlot;
  char* begin = map_at(nullptr, reserved);
  if (!begin) return nullptr;
  char* data = (char*)round_up((uintptr_t)begin, kSlot);
  if (data != begin) munmap(begin, (size_t)(data - begin));
  munmap(data + size, (size_t)(begin + reserved - (data + size)));
  return data;
}

void use_huge_pages(char* data, size_t size, bool huge) {
#if defined(MADV_HUGEPAGE)
  madvise(data, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
  (void)data, (void)size, (void)huge;
#endif
}

}  // namespace

TgRuns::Block TgRuns::take(size_t bytes) {
  size_t span = round_up(bytes, kSlot);
  auto fit = sizes_.lower_bound({span, nullptr});
  if (fit == sizes_.end()) return {};
  auto run = idle_runs_.find(fit->second);
  char* data = run->first + run->second.span - span;
  idle_ -= held(data, span);
  if (data == run->first)
    erase(run);
  else
    resize(run, run->first, run->second.span - span);
  return {data, span, settle(data, span, bytes, false), false};
}

size_t TgRuns::missing(size_t bytes) const {
  auto below = idle_runs_.find(edge_);
  size_t span = round_up(bytes, kSlot), here = below == idle_runs_.end() ? 0 : below->second.span;
  return span - std::min(span, here);
}

TgRuns::Block TgRuns::map(size_t bytes) {
  size_t span = round_up(bytes, kSlot), more = missing(bytes);
  if (more == 0) return take(bytes);
  char* data = edge_ ? map_at(edge_ - more, more) : nullptr;
  if (data && data == edge_ - more) {
    use_huge_pages(data, more, true);
    auto below = idle_runs_.find(edge_);
    if (below != idle_runs_.end()) {
      idle_ -= held(below->first, below->second.span);
      erase(below);
    }
  } else {  // the first, or another's memory lies there
    if (data) munmap(data, more);
    data = map_anywhere(span);
    if (!data) return {};
    use_huge_pages(data, span, true);
    more = span;
  }
  edge_ = data;
  bool fresh = more == span;
  return {data, span, settle(data, span, bytes, fresh), fresh};
}

void TgRuns::give_back(char* data, size_t span, uint64_t now) {
  idle_ += held(data, span);
  auto above = idle_runs_.lower_bound(data);
  auto below = above == idle_runs_.begin() ? idle_runs_.end() : std::prev(above);
  bool joins_above = above != idle_runs_.end() && above->first == data + span;
  if (below != idle_runs_.end() && below->first + below->second.span == data) {
    size_t all = below->second.span + span + (joins_above ? above->second.span : 0);
    if (joins_above) erase(above);
    resize(below, below->first, all);
    below->second.since = now;
  } else if (joins_above) {
    above->second.since = now;
    resize(above, data, span + above->second.span);
  } else {
    try {
      sizes_.insert({span, data});
      idle_runs_.insert({data, {span, now}});
    } catch (const std::bad_alloc&) {
      sizes_.erase({span, data});
      idle_ -= held(data, span);
      unmap(data, span);
    }
  }
}

uint64_t TgRuns::oldest() const {
  uint64_t since = UINT64_MAX;
  for (auto& [data, run] : idle_runs_) since = std::min(since, run.since);
  return since;
}

void TgRuns::release(size_t bytes) {
  auto older = [](const auto& a, const auto& b) { return a.second.since < b.second.since; };
  auto run = std::min_element(idle_runs_.begin(), idle_runs_.end(), older);
  if (run == idle_runs_.end()) return;
  char* data = run->first;
  size_t all = run->second.span, part = std::min(all, round_up(bytes, kSlot));
  idle_ -= held(data, part);
  if (part == all)
    erase(run);
  else
    resize(run, data + part, all - part);
  unmap(data, part);
}

size_t TgRuns::release_all() {
  size_t before = idle_;
  while (!idle_runs_.empty()) release(SIZE_MAX - kSlot);
  return before - idle_;
}

// Moves and shortens or lengthens a run; allocates nothing, so it can't fail.
void TgRuns::resize(ByAddress::iterator run, char* data, size_t span) {
  auto size = sizes_.extract({run->second.span, run->first});
  size.value() = {span, data};
  sizes_.insert(std::move(size));
  run->second.span = span;
  if (run->first == data) return;
  auto moved = idle_runs_.extract(run);
  moved.key() = data;
  idle_runs_.insert(std::move(moved));
}

void TgRuns::erase(ByAddress::iterator run) {
  sizes_.erase({run->second.span, run->first});
  idle_runs_.erase(run);
}

void TgRuns::unmap(char* data, size_t span) {
  partial_.erase(partial_.lower_bound(data), partial_.lower_bound(data + span));
  munmap(data, span);
  if (data == edge_) edge_ = data + span;
}

size_t TgRuns::held(char* data, size_t span) const {
  size_t all = span;
  for (auto p = partial_.lower_bound(data); p != partial_.end() && p->first < data + span; ++p)
    all -= kSlot - p->second;
  return all;
}

// The slots of a block for `bytes` are about to be touched, the last perhaps in part.
size_t TgRuns::settle(char* data, size_t span, size_t bytes, bool fresh) {
  char* last = data + span - kSlot;
  size_t of_last = std::min(kSlot, round_up(bytes - (span - kSlot), kRound));
  for (auto p = partial_.lower_bound(data); p != partial_.end() && p->first <= last;) {
    p->second = p->first == last ? std::max(of_last, p->second) : kSlot;
    if (p->second < kSlot) break;
    use_huge_pages(p->first, kSlot, true);  // for what was not touched yet
    p = partial_.erase(p);
  }
  if (fresh && of_last < kSlot) {
    try {
      partial_[last] = of_last;
      use_huge_pages(last, kSlot, false);
    } catch (const std::bad_alloc&) {  // then it is a huge page
    }
  }
  return held(data, span);
}
