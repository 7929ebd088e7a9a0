#include "../common/bind.hpp"

#include "softmax.hpp"

namespace py = pybind11;

namespace {

SoftmaxShape shape_of(const tg::View& x) {
  if (x.ndim != 2 || x.size == 0) tg::fail(x.name + ": need (rows, width) with one of each");
  tg::need_c_contiguous(x);
  return {x.is_double, x.shape[0], x.shape[1]};
}

void softmax(const py::array& x_, const py::array& y_) {
  const tg::View x = tg::view(x_, "x");
  const SoftmaxShape s = shape_of(x);
  const tg::View y = tg::like(y_, "y", x, true);
  tg::need_disjoint(y, x);
  tg::GilPause pause((double)x.size * 16);
  TG_PICK(softmax)(s, x.data, y.data);
}

void softmax_vjp(const py::array& y_, const py::array& gy_, const py::array& gx_) {
  const tg::View y = tg::view(y_, "y");
  const SoftmaxShape s = shape_of(y);
  const tg::View gy = tg::like(gy_, "gy", y), gx = tg::like(gx_, "gx", y, true);
  tg::need_disjoint({&gx}, {&y, &gy});
  tg::GilPause pause((double)y.size * 4);
  TG_PICK(softmax_vjp)(s, y.data, gy.data, gx.data);
}

void logsumexp(const py::array& x_, const py::array& y_) {
  const tg::View x = tg::view(x_, "x");
  const SoftmaxShape s = shape_of(x);
  const tg::View y = tg::operand(y_, "y", x, {s.rows}, true);
  tg::need_disjoint(y, x);
  tg::GilPause pause((double)x.size * 16);
  TG_PICK(logsumexp)(s, x.data, y.data);
}

}  // namespace

void bind_softmax(py::module_& m) {
  m.def("softmax", &softmax, tg::raw("x"), tg::raw("y"));
  m.def("softmax_vjp", &softmax_vjp, tg::raw("y"), tg::raw("gy"), tg::raw("gx"));
  m.def("logsumexp", &logsumexp, tg::raw("x"), tg::raw("y"));
}
