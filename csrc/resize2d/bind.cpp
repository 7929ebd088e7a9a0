// The binding of resize2d: it checks everything, the taps included, so that no call can crash.
#include "../common/bind.hpp"

#include "resize2d.hpp"

namespace {

namespace py = pybind11;
using tg::fail;
using tg::View;

const int64_t* integers(const py::array& array, const std::string& name, long* size) {
  const bool is_int64 = array.dtype().kind() == 'i' && array.itemsize() == 8;
  if (!is_int64 || array.dtype().byteorder() == '>' || array.ndim() != 1)
    fail(name + ": need int64 along one axis");
  if ((array.size() > 1 && array.strides(0) != 8) || (uintptr_t)array.data() % 8 != 0)
    fail(name + ": need C order");
  *size = (long)array.size();
  return static_cast<const int64_t*>(array.data());
}

// The taps of one axis: start (out + 1,), index and weight (taps,), index within 0 .. in - 1.
ResizeTaps taps(const py::tuple& given, const char* name, const View& x, long in, long out) {
  if (given.size() != 3) fail(std::string(name) + ": need (start, index, weight)");
  const std::string what = name;
  py::array arrays[3];
  for (int i = 0; i < 3; ++i) {
    if (!py::isinstance<py::array>(given[(size_t)i])) fail(what + ": need three arrays");
    arrays[i] = py::reinterpret_borrow<py::array>(given[(size_t)i]);
  }
  long starts = 0, count = 0;
  const int64_t* start = integers(arrays[0], what, &starts);
  const int64_t* index = integers(arrays[1], what, &count);
  const View weight = tg::view(arrays[2], name);
  tg::need_shape(weight, {count});
  tg::need_c_contiguous(weight);
  tg::need_same_dtype(x, weight);
  if (starts != out + 1 || start[0] != 0 || start[out] != count)
    fail(what + ": start does not fit the output and the taps");
  for (long i = 0; i < out; ++i)
    if (start[i] > start[i + 1]) fail(what + ": start must not decrease");
  for (long i = 0; i < count; ++i)
    if (index[i] < 0 || index[i] >= in) fail(what + ": index outside the image");
  return {start, index, weight.data};
}

void resize2d(const py::array& x_, const py::tuple& rows, const py::tuple& columns,
              const py::array& y_) {
  const View x = tg::view(x_, "x"), y = tg::view(y_, "y", true);
  tg::need_adjacent_channels(x);
  tg::need_dense_channels_last(y);
  tg::need_same_dtype(x, y);
  tg::need_disjoint(x, y);
  if (x.shape[0] != y.shape[0] || x.shape[1] != y.shape[1]) fail("x, y: N or C differ");
  if ((double)x.size > tg::kMaxElements || (double)y.size > tg::kMaxElements)
    fail("x, y: too large");
  ResizeArgs a = {};
  a.is_double = x.is_double, a.x = x.data, a.y = y.data;
  a.N = x.shape[0], a.C = x.shape[1], a.H = x.shape[2], a.W = x.shape[3];
  a.P = y.shape[2], a.Q = y.shape[3];
  a.x_n = x.stride[0], a.x_h = x.stride[2], a.x_w = x.stride[3];
  a.rows = taps(rows, "rows", x, a.H, a.P);
  a.columns = taps(columns, "columns", x, a.W, a.Q);
  for (const py::tuple& t : {rows, columns})
    for (size_t i = 0; i < 3; ++i) {  // int64 arrays too must not be written while they are read
      const py::array part = py::reinterpret_borrow<py::array>(t[i]);
      const uintptr_t first = (uintptr_t)part.data();
      if (first < y.end && y.first < first + (uintptr_t)part.nbytes())
        fail("rows, columns and y: memory overlaps");
    }
  if (y.size == 0) return;
  a.slots = tg_num_threads();
  tg::Workspace workspace(TG_PICK(resize2d_bytes)(a));
  a.workspace = workspace.data();
  tg::GilPause pause((double)(x.size + y.size) * 4);
  TG_PICK(resize2d)(a);
}

}  // namespace

void bind_resize2d(pybind11::module_& m) {
  m.def("resize2d", &resize2d, tg::raw("x"), tg::raw("rows"), tg::raw("columns"), tg::raw("y"));
}
