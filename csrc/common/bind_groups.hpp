// Checked groups of NumPy arrays, for kernels that take those of many parameters at once.
#pragma once

#include <algorithm>
#include <vector>

#include "bind.hpp"
#include "groups.hpp"

namespace tg {

// What a group's array is called, and whether it is written.
struct Role {
  const char* name;
  bool written;
};

// The axes of `v` from the widest stride to the narrowest leave no gap.
inline bool is_dense(const View& v) {
  int axes[kMaxDims], n = 0;
  for (int i = 0; i < v.ndim; ++i)
    if (v.shape[i] != 1) axes[n++] = i;
  std::sort(axes, axes + n, [&](int a, int b) { return v.stride[a] < v.stride[b]; });
  long expected = 1;
  for (int i = 0; i < n; expected *= v.shape[axes[i++]])
    if (v.stride[axes[i]] != expected) return false;
  return true;
}

// Arrays a0, b0, a1, b1, ...: group i holds the i-th of every role, all of one shape, dtype and
// memory order. No array that is written overlaps another.
class Groups {
 public:
  Groups(const py::args& arrays, const std::vector<Role>& roles) {
    const size_t width = roles.size();
    if (arrays.size() % width != 0) fail("need whole groups of " + std::to_string(width));
    std::vector<Span> spans;
    groups_.reserve(arrays.size() / width), spans.reserve(arrays.size());
    for (size_t i = 0; i < arrays.size(); i += width) {
      View first;
      TgGroup group = {};
      for (size_t r = 0; r < width; ++r) {
        const Role& role = roles[r];
        View v = checked_view(arrays[i + r], role);
        if (r == 0) first = v;
        need_alike(first, v);
        group.data[r] = v.data;
        if (v.size > 0) spans.push_back({v.first, v.end, role.written});
      }
      group.begin = total_, group.size = first.size, group.is_double = first.is_double;
      total_ += first.size;
      groups_.push_back(group);
    }
    need_apart(spans);
  }

  TgGroups all() const { return {groups_.data(), (long)groups_.size(), total_}; }
  long total() const { return total_; }

 private:
  struct Span {
    uintptr_t first, end;
    bool written;
  };

  static View checked_view(const py::handle& array, const Role& role) {
    if (!py::isinstance<py::array>(array)) throw py::type_error("need NumPy arrays");
    View v = view(py::reinterpret_borrow<py::array>(array), role.name, role.written);
    if (v.size > 0 && !is_dense(v)) fail(v.name + ": has gaps");
    return v;
  }

  static void need_alike(const View& a, const View& b) {
    need_shape(b, a.shape, a.ndim);
    need_same_dtype(a, b);
    for (int i = 0; i < a.ndim && a.size > 0; ++i)
      if (a.stride[i] != b.stride[i]) fail(a.name + " and " + b.name + ": memory orders differ");
  }

  // In the order of their addresses, nothing begins before the end of what it must not meet.
  static void need_apart(std::vector<Span>& spans) {
    std::sort(spans.begin(), spans.end(),
              [](const Span& a, const Span& b) { return a.first < b.first; });
    uintptr_t end = 0, written_end = 0;
    for (const Span& s : spans) {
      if (s.first < (s.written ? end : written_end)) fail("memory that is written overlaps");
      end = std::max(end, s.end);
      if (s.written) written_end = std::max(written_end, s.end);
    }
  }

  std::vector<TgGroup> groups_;
  long total_ = 0;
};

}  // namespace tg
