// What every bind.cpp needs: checked views of NumPy arrays, scratch memory, the GIL.
//
// The bindings trust nobody: whatever a caller passes, they raise and never crash. Arrays come as
// py::array without any conversion (py::array_t<T, c_style | forcecast> would copy a strided output
// and lose what is written to it).
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>

#include "dispatch.hpp"
#include "memory.hpp"
#include "parallel.hpp"

namespace tg {

namespace py = pybind11;

enum { kMaxDims = 8 };

// An array as kernels see it: an aligned pointer and strides counted in elements.
struct View {
  std::string name;
  char* data = nullptr;
  bool is_double = false;
  int ndim = 0;
  long shape[kMaxDims] = {}, stride[kMaxDims] = {};
  long size = 1;
  uintptr_t first = 0, end = 0;  // all its bytes lie in [first, end)

  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
  bool c_contiguous() const {
    long expected = 1;
    for (int i = ndim - 1; i >= 0; --i) {
      if (shape[i] != 1 && stride[i] != expected && size != 0) return false;
      expected *= shape[i];
    }
    return true;
  }
};

[[noreturn]] inline void fail(const std::string& what) { throw std::invalid_argument(what); }

// Arguments that pybind11 must take as they are: an array is not converted, which would lose what
// is written to it, and neither is a number: np.float32(0.5) would become the integer 0.
inline py::arg raw(const char* name) { return py::arg(name).noconvert(); }

// Look at `array`, which must be float32 or float64, aligned and, if `writable`, open to writing.
inline View view(const py::array& array, const char* name, bool writable = false) {
  View v;
  v.name = name;
  char kind = array.dtype().kind();
  long item = (long)array.itemsize();
  if (kind != 'f' || (item != 4 && item != 8) || array.dtype().byteorder() == '>')
    fail(v.name + ": need float32 or float64 in native byte order");
  v.is_double = item == 8;
  if (array.ndim() > kMaxDims) fail(v.name + ": too many dimensions");
  if (writable && !array.writeable()) fail(v.name + ": is read-only");
  v.ndim = (int)array.ndim();
  v.data = static_cast<char*>(const_cast<void*>(array.data()));
  long low = 0, high = item, reach = 0;
  bool fits = true;
  for (int i = 0; i < v.ndim; ++i) {
    v.shape[i] = (long)array.shape(i);
    // the stride of an axis of one element may be anything (x[:, ::2**57]), and means nothing
    long bytes = v.shape[i] > 1 ? (long)array.strides(i) : 0;
    if (bytes % item != 0) fail(v.name + ": strides are not whole elements");
    v.stride[i] = bytes / item;
    fits = fits && !__builtin_mul_overflow(v.size, v.shape[i], &v.size);
    if (v.shape[i] == 0) continue;
    long& end = bytes < 0 ? low : high;
    fits = fits && !__builtin_mul_overflow(bytes, v.shape[i] - 1, &reach) &&
           !__builtin_add_overflow(end, reach, &end);
  }
  if (!fits) fail(v.name + ": is larger than any memory");
  uintptr_t address = reinterpret_cast<uintptr_t>(v.data);
  if (address % (uintptr_t)item != 0 && v.size != 0) fail(v.name + ": is not aligned");
  v.first = address + (uintptr_t)low;
  v.end = v.size == 0 ? v.first : address + (uintptr_t)high;
  return v;
}

inline void need_same_dtype(const View& a, const View& b) {
  if (a.is_double != b.is_double) fail(a.name + " and " + b.name + ": dtypes differ");
}

inline void need_disjoint(const View& a, const View& b) {
  if (a.first < b.end && b.first < a.end) fail(a.name + " and " + b.name + ": memory overlaps");
}

// No output overlaps an input or another output.
inline void need_disjoint(std::initializer_list<const View*> outs,
                          std::initializer_list<const View*> ins) {
  for (auto out = outs.begin(); out != outs.end(); ++out) {
    for (const View* in : ins) need_disjoint(**out, *in);
    for (auto other = out + 1; other != outs.end(); ++other) need_disjoint(**out, **other);
  }
}

inline void need_shape(const View& a, const long* shape, int ndim) {
  bool fits = a.ndim == ndim;
  for (int i = 0; fits && i < ndim; ++i) fits = a.shape[i] == shape[i];
  if (!fits) fail(a.name + ": shape does not fit the other operands");
}

inline void need_shape(const View& a, std::initializer_list<long> shape) {
  need_shape(a, shape.begin(), (int)shape.size());
}

inline void need_c_contiguous(const View& a) {
  if (!a.c_contiguous()) fail(a.name + ": need C order");
}

// An operand of this shape, in C order, of the dtype of x.
inline View shaped(const py::array& array, const char* name, const View& x, const long* shape,
                   int ndim, bool writable) {
  View v = view(array, name, writable);
  need_shape(v, shape, ndim);
  need_same_dtype(x, v);
  need_c_contiguous(v);
  return v;
}

inline View operand(const py::array& array, const char* name, const View& x,
                    std::initializer_list<long> shape, bool writable = false) {
  return shaped(array, name, x, shape.begin(), (int)shape.size(), writable);
}

// An operand with an entry for each channel; these are the last axis of x, which has one.
inline View per_channel(const py::array& array, const char* name, const View& x,
                        bool writable = false) {
  return operand(array, name, x, {x.shape[x.ndim - 1]}, writable);
}

// An operand shaped and stored as x.
inline View like(const py::array& array, const char* name, const View& x, bool writable = false) {
  return shaped(array, name, x, x.shape, x.ndim, writable);
}

constexpr long kMaxExtent = 1L << 31;      // of an axis, a stride, a padding
constexpr double kMaxElements = 1L << 46;  // of a product of extents: no size below overflows

// Return `value`, which must be at least `least` and below kMaxExtent.
inline long checked(long value, long least, const char* name) {
  if (value < least || value >= kMaxExtent) fail(std::string(name) + ": out of range");
  return value;
}

// An image (N, C, H, W) whose channels lie next to each other: kernels read and write whole pixels.
inline void need_adjacent_channels(const View& v) {
  if (v.ndim != 4) fail(v.name + ": need 4 dimensions");
  if (v.size > 0 && v.shape[1] > 1 && v.stride[1] != 1)
    fail(v.name + ": channels must have stride 1");
}

// An image to be written: dense in the order N, H, W, C, so that no element is written twice.
inline void need_dense_channels_last(const View& v) {
  if (v.ndim != 4) fail(v.name + ": need 4 dimensions");
  long expected = 1;
  for (int axis : {1, 3, 2, 0}) {
    if (v.size > 0 && v.shape[axis] > 1 && v.stride[axis] != expected)
      fail(v.name + ": need channels-last memory");
    expected *= v.shape[axis];
  }
}

// Scratch memory for the length of a call; taken before the kernel, so that kernels never allocate.
class Workspace {
 public:
  explicit Workspace(size_t bytes) : data_(tg_memory_take(bytes, TG_SCRATCH)) {
    if (!data_) throw std::bad_alloc();
  }
  ~Workspace() { tg_memory_give_back(data_); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  void* data() const { return data_; }

 private:
  void* data_;
};

// Lets other Python threads run while the kernel does, if it is long enough for that to pay.
class GilPause {
 public:
  // operations: about how many multiply-adds or element visits; 200,000 take some 20 us.
  explicit GilPause(double operations) {
    if (operations > 200000) release_.emplace();
  }

 private:
  std::optional<py::gil_scoped_release> release_;
};

}  // namespace tg
