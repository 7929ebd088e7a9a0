// The bindings of pooling: they check everything, every index included, so that no call can crash.
#include "../common/bind.hpp"

#include <pybind11/stl.h>

#include <array>

#include "pool2d.hpp"

namespace {

namespace py = pybind11;
using tg::checked;
using tg::fail;
using tg::View;
using Params = std::array<long, 6>;  // kernel, stride, padding, each (h, w)

constexpr long kMaxPixels = 1L << 31;  // of an image: vectors of positions are of int32

// int64 in C order, of this shape.
View integers(const py::array& array, const char* name, std::initializer_list<long> shape,
              bool writable) {
  View v;
  v.name = name;
  if (array.dtype().kind() != 'i' || array.itemsize() != 8 || array.dtype().byteorder() == '>')
    fail(v.name + ": need int64 in native byte order");
  if (writable && !array.writeable()) fail(v.name + ": is read-only");
  if (array.ndim() > tg::kMaxDims) fail(v.name + ": too many dimensions");
  v.ndim = (int)array.ndim();
  v.size = (long)array.size();
  for (int i = 0; i < v.ndim; ++i) {
    v.shape[i] = (long)array.shape(i);
    if (v.shape[i] > 1 && array.strides(i) % 8 != 0) fail(v.name + ": need C order");
    v.stride[i] = (long)array.strides(i) / 8;
  }
  tg::need_shape(v, shape);
  tg::need_c_contiguous(v);
  v.data = static_cast<char*>(const_cast<void*>(array.data()));
  if ((uintptr_t)v.data % 8 != 0 && v.size != 0) fail(v.name + ": is not aligned");
  v.first = (uintptr_t)v.data, v.end = v.first + (uintptr_t)v.size * 8;
  return v;
}

long windows(long extent, long kernel, long stride, long pad) {
  if (pad > kernel / 2) fail("params: padding is more than half of the kernel");
  if (extent + 2 * pad < kernel) fail("x: no window fits");
  return (extent + 2 * pad - kernel) / stride + 1;
}

// `in` is read and `out` written; x is the one of them with H and W, y the one with P and Q.
PoolArgs arguments(const View& in, const View& out, const View& x, const View& y, const Params& p) {
  PoolArgs a = {};
  tg::need_adjacent_channels(in);
  tg::need_dense_channels_last(out);
  tg::need_same_dtype(in, out);
  tg::need_disjoint(in, out);
  for (int i = 0; i < 4; ++i) checked(x.shape[i], i < 2 ? 0 : 1, "x");
  a.is_double = in.is_double, a.in = in.data, a.out = out.data;
  a.N = x.shape[0], a.C = x.shape[1], a.H = x.shape[2], a.W = x.shape[3];
  a.R = checked(p[0], 1, "kernel"), a.S = checked(p[1], 1, "kernel");
  a.stride_h = checked(p[2], 1, "stride"), a.stride_w = checked(p[3], 1, "stride");
  a.pad_h = checked(p[4], 0, "padding"), a.pad_w = checked(p[5], 0, "padding");
  a.P = windows(a.H, a.R, a.stride_h, a.pad_h), a.Q = windows(a.W, a.S, a.stride_w, a.pad_w);
  tg::need_shape(y, {a.N, a.C, a.P, a.Q});
  if ((double)x.size > tg::kMaxElements || (double)y.size > tg::kMaxElements)
    fail("x, y: too large");
  a.in_n = in.stride[0], a.in_h = in.stride[2], a.in_w = in.stride[3];
  a.slots = tg_num_threads();
  return a;
}

void avg_pool2d(const py::array& x_, const py::array& y_, const Params& params, bool count_pad) {
  const View x = tg::view(x_, "x"), y = tg::view(y_, "y", true);
  PoolArgs a = arguments(x, y, x, y, params);
  a.count_pad = count_pad;
  if (y.size == 0) return;
  tg::Workspace workspace(TG_PICK(avg_pool2d_bytes)(a));
  a.workspace = workspace.data();
  tg::GilPause pause((double)x.size + (double)y.size);
  TG_PICK(avg_pool2d)(a);
}

void avg_pool2d_adjoint(const py::array& gy_, const py::array& gx_, const Params& params,
                        bool count_pad) {
  const View gy = tg::view(gy_, "gy"), gx = tg::view(gx_, "gx", true);
  PoolArgs a = arguments(gy, gx, gx, gy, params);
  a.count_pad = count_pad;
  if (gx.size == 0) return;
  tg::Workspace workspace(TG_PICK(avg_pool2d_adjoint_bytes)(a));
  a.workspace = workspace.data();
  tg::GilPause pause((double)gx.size + (double)gy.size);
  TG_PICK(avg_pool2d_adjoint)(a);
}

void max_pool2d(const py::array& x_, const py::array& y_, const py::array& index_,
                const Params& params) {
  const View x = tg::view(x_, "x"), y = tg::view(y_, "y", true);
  PoolArgs a = arguments(x, y, x, y, params);
  const View index = integers(index_, "index", {a.N, a.P, a.Q, a.C}, true);
  tg::need_disjoint({&y, &index}, {&x});
  if (a.H * a.W >= kMaxPixels) fail("x: too many pixels");
  if (y.size == 0) return;
  a.index = index.as<int64_t>();
  tg::GilPause pause((double)y.size * (double)(a.R * a.S));
  TG_PICK(max_pool2d)(a);
}

// image (N, pixels, C), index and picked (N, picks, C), all in C order.
GatherArgs gathering(const View& image, const View& picked, const py::array& index_, bool scatter) {
  if (image.ndim != 3 || picked.ndim != 3) fail("image, picked: need 3 dimensions");
  tg::need_c_contiguous(image);
  tg::need_c_contiguous(picked);
  tg::need_same_dtype(image, picked);
  const long n = image.shape[0], c = image.shape[2];
  tg::need_shape(picked, {n, picked.shape[1], c});
  const View index = integers(index_, "index", {n, picked.shape[1], c}, false);
  tg::need_disjoint({scatter ? &image : &picked}, {scatter ? &picked : &image, &index});
  return {image.is_double, image.data,     picked.data, index.as<int64_t>(), n, c,
          image.shape[1],  picked.shape[1]};
}

void gather2d(const py::array& x_, const py::array& index_, const py::array& y_) {
  const View x = tg::view(x_, "x"), y = tg::view(y_, "y", true);
  const GatherArgs a = gathering(x, y, index_, false);
  if (y.size == 0) return;
  tg::GilPause pause((double)y.size);
  if (!TG_PICK(gather2d)(a)) throw std::invalid_argument("index: outside the image");
}

void scatter2d(const py::array& gy_, const py::array& index_, const py::array& gx_) {
  const View gy = tg::view(gy_, "gy"), gx = tg::view(gx_, "gx", true);
  const GatherArgs a = gathering(gx, gy, index_, true);
  if (gx.size == 0 && gy.size == 0) return;
  tg::GilPause pause((double)gx.size + (double)gy.size);
  if (!TG_PICK(scatter2d)(a)) throw std::invalid_argument("index: outside the image");
}

}  // namespace

void bind_pool2d(pybind11::module_& m) {
  m.def("avg_pool2d", &avg_pool2d, tg::raw("x"), tg::raw("y"), tg::raw("params"),
        py::arg("count_pad").noconvert());
  m.def("avg_pool2d_adjoint", &avg_pool2d_adjoint, tg::raw("gy"), tg::raw("gx"), tg::raw("params"),
        py::arg("count_pad").noconvert());
  m.def("max_pool2d", &max_pool2d, tg::raw("x"), tg::raw("y"), tg::raw("index"), tg::raw("params"));
  m.def("gather2d", &gather2d, tg::raw("x"), tg::raw("index"), tg::raw("y"));
  m.def("scatter2d", &scatter2d, tg::raw("gy"), tg::raw("index"), tg::raw("gx"));
}
