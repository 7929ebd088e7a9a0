// The bindings of upfirdn2d: they check everything, so that no call can crash.
#include "../common/bind.hpp"

#include <pybind11/stl.h>

#include <array>
#include <cstring>

#include "upfirdn2d.hpp"

namespace {

namespace py = pybind11;
using tg::checked;
using tg::fail;
using tg::View;

// x (N, C, H, W), y (N, C, P, Q), f (R, S); params: up, down (h, w), top, left.
UpfirdnArgs arguments(const View& x, const View& f, const View& y,
                      const std::array<long, 6>& params) {
  tg::need_adjacent_channels(x);
  tg::need_adjacent_channels(y);
  if (f.ndim != 2 || f.size == 0) fail("f: need (R, S) with at least one of each");
  if (x.shape[0] != y.shape[0] || x.shape[1] != y.shape[1]) fail("x, y: N or C differ");
  if (x.shape[2] < 1 || x.shape[3] < 1) fail("x: need at least one pixel");
  for (const View* v : {&x, &f, &y})
    for (int i = 0; i < v->ndim; ++i) checked(v->shape[i], 0, v->name.c_str());
  tg::need_same_dtype(x, f);
  tg::need_same_dtype(x, y);
  UpfirdnArgs a = {};
  a.is_double = x.is_double;
  a.N = x.shape[0], a.C = x.shape[1], a.H = x.shape[2], a.W = x.shape[3];
  a.P = y.shape[2], a.Q = y.shape[3], a.R = f.shape[0], a.S = f.shape[1];
  a.up_h = checked(params[0], 1, "up"), a.up_w = checked(params[1], 1, "up");
  a.down_h = checked(params[2], 1, "down"), a.down_w = checked(params[3], 1, "down");
  a.top = checked(params[4], 1 - tg::kMaxExtent, "padding");
  a.left = checked(params[5], 1 - tg::kMaxExtent, "padding");
  if ((double)a.P * (double)a.down_h + (double)a.Q * (double)a.down_w > tg::kMaxElements ||
      ((double)x.size + (double)y.size + 1) * (double)f.size > tg::kMaxElements)
    fail("x, f, y: too large");
  a.x_n = x.stride[0], a.x_h = x.stride[2], a.x_w = x.stride[3];
  a.y_n = y.stride[0], a.y_h = y.stride[2], a.y_w = y.stride[3];
  a.f_r = f.stride[0], a.f_s = f.stride[1];
  return a;
}

double work(const UpfirdnArgs& a) {
  return (double)(a.N * a.C) * (double)(a.P * a.Q) * (double)(a.R * a.S);
}

void forward(const py::array& x_, const py::array& f_, const py::array& y_,
             const std::array<long, 6>& params) {
  const View x = tg::view(x_, "x"), f = tg::view(f_, "f"), y = tg::view(y_, "y", true);
  UpfirdnArgs a = arguments(x, f, y, params);
  tg::need_dense_channels_last(y);
  tg::need_disjoint(x, y), tg::need_disjoint(f, y);
  a.x = x.data, a.f = f.data, a.out = y.data;
  if (y.size == 0) return;
  tg::Workspace workspace(TG_PICK(upfirdn2d_bytes)(a));
  tg::GilPause pause(work(a));
  TG_PICK(upfirdn2d)(a, workspace.data());
}

void fgrad(const py::array& x_, const py::array& gy_, const py::array& gf_,
           const std::array<long, 6>& params) {
  const View x = tg::view(x_, "x"), gy = tg::view(gy_, "gy"), gf = tg::view(gf_, "gf", true);
  UpfirdnArgs a = arguments(x, gf, gy, params);
  tg::need_c_contiguous(gf);
  tg::need_disjoint(x, gf), tg::need_disjoint(gy, gf);
  a.x = x.data, a.y = gy.data, a.out = gf.data;
  if (gy.size == 0) {  // then Q may be anything, and so would be the workspace
    std::memset(gf.data, 0, (size_t)gf.size * (gf.is_double ? 8 : 4));
    return;
  }
  tg::Workspace workspace(TG_PICK(upfirdn2d_fgrad_bytes)(a));
  tg::GilPause pause(work(a));
  TG_PICK(upfirdn2d_fgrad)(a, workspace.data());
}

}  // namespace

void bind_upfirdn2d(pybind11::module_& m) {
  m.def("upfirdn2d", &forward, tg::raw("x"), tg::raw("f"), tg::raw("y"), tg::raw("params"));
  m.def("upfirdn2d_fgrad", &fgrad, tg::raw("x"), tg::raw("gy"), tg::raw("gf"), tg::raw("params"));
}
