// The bindings of unfold and fold: they check everything, so that no call can crash.
#include "../common/bind.hpp"

#include <pybind11/stl.h>

#include <array>

#include "unfold.hpp"

namespace {

namespace py = pybind11;
using tg::checked;
using tg::fail;
using tg::View;
using Params = std::array<long, 8>;  // kernel, stride, padding, dilation, each (h, w)

long windows(long size, long taps, long stride, long pad, long dil) {
  const long reach = dil * (taps - 1) + 1, padded = size + 2 * pad;
  if (reach > padded) fail("x: no window fits");
  return (padded - reach) / stride + 1;
}

// x (N, C, H, W), cols (N, P Q, C R S) in C order.
UnfoldArgs arguments(const View& x, const View& cols, const Params& p) {
  UnfoldArgs a = {};
  tg::need_adjacent_channels(x);
  tg::need_same_dtype(x, cols);
  for (int i = 0; i < 4; ++i) checked(x.shape[i], 0, "x");
  a.is_double = x.is_double, a.x = x.data, a.cols = cols.data;
  a.N = x.shape[0], a.C = x.shape[1], a.H = x.shape[2], a.W = x.shape[3];
  a.R = checked(p[0], 1, "kernel"), a.S = checked(p[1], 1, "kernel");
  a.stride_h = checked(p[2], 1, "stride"), a.stride_w = checked(p[3], 1, "stride");
  a.pad_h = checked(p[4], 0, "padding"), a.pad_w = checked(p[5], 0, "padding");
  a.dil_h = checked(p[6], 1, "dilation"), a.dil_w = checked(p[7], 1, "dilation");
  a.P = windows(a.H, a.R, a.stride_h, a.pad_h, a.dil_h);
  a.Q = windows(a.W, a.S, a.stride_w, a.pad_w, a.dil_w);
  const double patches = ((double)a.N + 1) * (double)a.P * (double)a.Q;
  const double taps = (double)a.R * (double)a.S;
  if (patches > tg::kMaxElements || patches * ((double)a.C + 1) * taps > tg::kMaxElements)
    fail("x, cols: too large");
  tg::need_shape(cols, {a.N, a.P * a.Q, a.C * a.R * a.S});
  tg::need_c_contiguous(cols);
  tg::need_disjoint(x, cols);
  a.x_n = x.stride[0], a.x_h = x.stride[2], a.x_w = x.stride[3];
  return a;
}

void unfold(const py::array& x_, const py::array& cols_, const Params& params) {
  const View x = tg::view(x_, "x"), cols = tg::view(cols_, "cols", true);
  const UnfoldArgs a = arguments(x, cols, params);
  if (cols.size == 0) return;
  tg::GilPause pause((double)cols.size);
  TG_PICK(unfold)(a);
}

void fold(const py::array& cols_, const py::array& x_, const Params& params) {
  const View x = tg::view(x_, "x", true), cols = tg::view(cols_, "cols");
  const UnfoldArgs a = arguments(x, cols, params);
  tg::need_dense_channels_last(x);
  if (x.size == 0) return;
  tg::GilPause pause((double)x.size * (double)(a.R * a.S));
  TG_PICK(fold)(a);
}

}  // namespace

void bind_unfold(pybind11::module_& m) {
  m.def("unfold", &unfold, tg::raw("x"), tg::raw("cols"), tg::raw("params"));
  m.def("fold", &fold, tg::raw("cols"), tg::raw("x"), tg::raw("params"));
}
