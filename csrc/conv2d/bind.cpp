// The bindings of the convolutions: they check everything, so that no call can crash.
#include "../common/bind.hpp"

#include <pybind11/stl.h>

#include <array>

#include "conv2d.hpp"

namespace {

namespace py = pybind11;
using tg::checked;
using tg::fail;
using tg::View;

// Check one axis: the output size that follows from the input's must be the output's.
void check_axis(long size, long taps, long out, long stride, long pad, long dil) {
  const long reach = dil * (taps - 1) + 1, padded = size + 2 * pad;
  if (taps < 1 || reach > padded || (padded - reach) / stride + 1 != out)
    fail("y: shape does not fit x, w and the parameters");
}

void check_shapes(const ConvArgs& a, const View& x, const View& w, const View& y) {
  for (const View* v : {&x, &w, &y}) {
    if (v->ndim != 4) fail(v->name + ": need 4 dimensions");
    for (int i = 0; i < 4; ++i) checked(v->shape[i], 0, v->name.c_str());
  }
  if (a.C % a.groups || a.O % a.groups || w.shape[1] != a.C / a.groups || y.shape[1] != a.O)
    fail("x, w, y: channels do not fit the groups");
  if (y.shape[0] != a.N) fail("x, y: batches differ");
  check_axis(a.H, a.R, a.P, a.stride_h, a.pad_h, a.dil_h);
  check_axis(a.W, a.S, a.Q, a.stride_w, a.pad_w, a.dil_w);
  const double channels = (double)a.C * (double)a.O, taps = (double)a.R * (double)a.S;
  const double phases = (double)a.stride_h * (double)a.stride_w;
  const double image =
      ((double)a.H + 2.0 * (double)a.pad_h) * ((double)a.W + 2.0 * (double)a.pad_w);
  if ((channels + 1024) * (taps + 1) > tg::kMaxElements || phases > tg::kMaxElements ||
      ((double)a.N + 1) * image * (double)(a.C + a.O + 1) > tg::kMaxElements)
    fail("x, w, y: too large");
}

ConvArgs arguments(ConvPass pass, const View& x, const View& w, const View& y,
                   const std::array<long, 7>& p) {
  ConvArgs a = {};
  a.pass = pass, a.is_double = x.is_double;
  a.x = x.data, a.w = w.data, a.y = y.data;
  a.stride_h = checked(p[0], 1, "stride"), a.stride_w = checked(p[1], 1, "stride");
  a.pad_h = checked(p[2], 0, "padding"), a.pad_w = checked(p[3], 0, "padding");
  a.dil_h = checked(p[4], 1, "dilation"), a.dil_w = checked(p[5], 1, "dilation");
  a.groups = checked(p[6], 1, "groups");
  a.N = x.shape[0], a.C = x.shape[1], a.H = x.shape[2], a.W = x.shape[3];
  a.O = w.shape[0], a.R = w.shape[2], a.S = w.shape[3], a.P = y.shape[2], a.Q = y.shape[3];
  a.x_n = x.stride[0], a.x_h = x.stride[2], a.x_w = x.stride[3];
  a.w_o = w.stride[0], a.w_c = w.stride[1], a.w_r = w.stride[2], a.w_s = w.stride[3];
  a.y_n = y.stride[0], a.y_h = y.stride[2], a.y_w = y.stride[3];
  a.slots = tg_num_threads();
  check_shapes(a, x, w, y);
  return a;
}

enum Algorithm { IMPLICIT_GEMM = 0, DIRECT = 1, WINOGRAD_F2 = 2, WINOGRAD_F4 = 3 };

void check_winograd(const ConvArgs& a) {
  if (a.is_double) fail("x, w, y: Winograd takes float32");
  if (a.groups != 1 || a.dil_h != 1 || a.dil_w != 1)
    fail("params: Winograd has no groups, dilation");
  if (a.stride_h != a.stride_w || a.stride_h > 2) fail("params: Winograd takes stride 1 or 2");
  if (a.R != a.S || a.R <= a.stride_h || a.R > 3 * a.stride_h)
    fail("w: Winograd takes square kernels of 2 or 3 taps a phase");
}

// Run one of the algorithms that need scratch memory, without the GIL where that pays.
void run_in_workspace(const ConvArgs& a, Algorithm algorithm, double work) {
  const bool by_pixel = a.pass == CONV_WGRAD;
  if (algorithm == IMPLICIT_GEMM) {
    tg::Workspace workspace(by_pixel ? TG_PICK(wgrad_bytes)(a) : TG_PICK(gather_bytes)(a));
    tg::GilPause pause(work);
    return by_pixel ? TG_PICK(wgrad)(a, workspace.data()) : TG_PICK(gather)(a, workspace.data());
  }
  const int m = algorithm == WINOGRAD_F2 ? 2 : 4;
  tg::Workspace workspace(by_pixel ? TG_PICK(winograd_wgrad_bytes)(a, m)
                                   : TG_PICK(winograd_bytes)(a, m));
  tg::GilPause pause(work);
  by_pixel ? TG_PICK(winograd_wgrad)(a, m, workspace.data())
           : TG_PICK(winograd)(a, m, workspace.data());
}

// conv2d(pass, algorithm, x, w, y, (stride, padding, dilation, groups)): one of the three arrays is
// written.
void conv2d(int pass, int algorithm, const py::array& x_array, const py::array& w_array,
            const py::array& y_array, const std::array<long, 7>& params) {
  if (pass < CONV_FORWARD || pass > CONV_WGRAD) fail("pass: need 0, 1 or 2");
  if (algorithm < IMPLICIT_GEMM || algorithm > WINOGRAD_F4) fail("algorithm: need 0, 1, 2 or 3");
  const View x = tg::view(x_array, "x", pass == CONV_DGRAD);
  const View w = tg::view(w_array, "w", pass == CONV_WGRAD);
  const View y = tg::view(y_array, "y", pass == CONV_FORWARD);
  tg::need_same_dtype(x, w);
  tg::need_same_dtype(x, y);
  const ConvArgs a = arguments((ConvPass)pass, x, w, y, params);
  tg::need_adjacent_channels(x);
  tg::need_adjacent_channels(y);
  const View& out = pass == CONV_FORWARD ? y : pass == CONV_DGRAD ? x : w;
  pass == CONV_WGRAD ? tg::need_c_contiguous(w) : tg::need_dense_channels_last(out);
  for (const View* v : {&x, &w, &y})
    if (v != &out) tg::need_disjoint(*v, out);
  if (algorithm >= WINOGRAD_F2) check_winograd(a);
  if (out.size == 0) return;
  const double work = (double)y.size * (double)(w.size / std::max(a.O, 1L)) + (double)out.size;
  const bool nothing = x.size == 0 || w.size == 0 || y.size == 0;  // the sums are empty: zeros
  if (algorithm == DIRECT || nothing) {
    tg::GilPause pause(work);
    return TG_PICK(direct)(a);
  }
  run_in_workspace(a, (Algorithm)algorithm, work);
}

}  // namespace

void bind_conv2d(pybind11::module_& m) {
  namespace py = pybind11;
  m.def("conv2d", &conv2d, tg::raw("conv_pass"), tg::raw("algorithm"), tg::raw("x"), tg::raw("w"),
        tg::raw("y"), tg::raw("params"),
        "Run one of the three convolutions; see csrc/conv2d/bind.cpp.");
}
