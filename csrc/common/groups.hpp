// Many arrays as one range of elements, so that what a training step does to all its parameters
// (an optimizer's step, an average, a copy) is one parallel region and not one for each of them.
//
// A group holds the arrays that belong to one parameter: `size` elements each, without gaps, in one
// memory order. The range counts through the groups in turn.
#pragma once

#include "parallel.hpp"

enum { TG_MAX_ROLES = 5 };

struct TgGroup {
  long begin;  // number of its first element in the range
  long size;
  bool is_double;
  char* data[TG_MAX_ROLES];
};

struct TgGroups {
  const TgGroup* groups;
  long count, total;
};

#ifdef TG_ISA
namespace TG_ISA {

// body(group, begin, end) for pieces of all groups; begin and end count within the group.
template <class Body>
inline void for_each_piece(const TgGroups& all, const Body& body) {
  parallel_for(all.total, 16384, [&](long begin, long end) {
    long k = 0, beyond = all.count;  // the last group that begins at or before `begin`
    while (beyond - k > 1) {
      long middle = k + (beyond - k) / 2;
      (all.groups[middle].begin <= begin ? k : beyond) = middle;
    }
    for (; begin < end; ++k) {
      const TgGroup& group = all.groups[k];
      long stop = group.begin + group.size < end ? group.begin + group.size : end;
      if (stop > begin) body(group, begin - group.begin, stop - group.begin);
      begin = stop;
    }
  });
}

}  // namespace TG_ISA
#endif
