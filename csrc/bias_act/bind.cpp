#include "../common/bind.hpp"

#include <pybind11/stl.h>

#include "bias_act.hpp"

namespace py = pybind11;

namespace {

using Clamp = std::optional<double>;

py::array array_of(const py::object& object, const char* name) {
  if (!py::isinstance<py::array>(object)) tg::fail(std::string(name) + ": need an array or None");
  return py::reinterpret_borrow<py::array>(object);
}

// An operand with an entry for each channel, or a null view for None.
tg::View if_given(const py::object& object, const char* name, const tg::View& x,
                  bool writable = false) {
  if (object.is_none()) return {};
  return tg::per_channel(array_of(object, name), name, x, writable);
}

tg::View rows_of(const py::array& x_) {
  tg::View x = tg::view(x_, "x");
  if (x.ndim != 2 || x.size == 0) tg::fail("x: need (rows, channels) with at least one of each");
  tg::need_c_contiguous(x);
  return x;
}

BiasAct describe(const tg::View& x, const tg::View& b, const tg::View& slope, int act, double alpha,
                 double gain, const Clamp& clamp) {
  if (act < 0 || act >= ACT_COUNT) tg::fail("act: no such activation");
  if ((act == PRELU) != (slope.data != nullptr))
    tg::fail("slope: belongs to prelu, which needs it");
  return {x.is_double, x.shape[0], x.shape[1],        act,
          alpha,       gain,       clamp.has_value(), clamp.value_or(0),
          b.data,      slope.data, tg_num_threads(),  nullptr};
}

void forward(const py::array& x_, const py::object& b_, const py::object& slope_, int act,
             double alpha, double gain, const Clamp& clamp, const py::array& y_) {
  tg::View x = rows_of(x_), y = tg::like(y_, "y", x, true);
  tg::View b = if_given(b_, "b", x), slope = if_given(slope_, "slope", x);
  BiasAct s = describe(x, b, slope, act, alpha, gain, clamp);
  tg::need_disjoint({&y}, {&x, &b, &slope});
  tg::Workspace workspace(TG_PICK(bias_act_workspace)(s));
  s.workspace = workspace.data();
  tg::GilPause pause((double)x.size * 2);
  TG_PICK(bias_act)(s, x.data, y.data);
}

void vjp(const py::array& x_, const py::object& b_, const py::object& slope_, const py::array& gy_,
         int act, double alpha, double gain, const Clamp& clamp, const py::array& gx_,
         const py::object& gb_, const py::object& gslope_) {
  tg::View x = rows_of(x_), gy = tg::like(gy_, "gy", x), gx = tg::like(gx_, "gx", x, true);
  tg::View b = if_given(b_, "b", x), slope = if_given(slope_, "slope", x);
  tg::View gb = if_given(gb_, "gb", x, true), gslope = if_given(gslope_, "gslope", x, true);
  BiasAct s = describe(x, b, slope, act, alpha, gain, clamp);
  if (gslope.data && act != PRELU) tg::fail("gslope: belongs to prelu");
  tg::need_disjoint({&gx, &gb, &gslope}, {&x, &b, &slope, &gy});
  tg::Workspace workspace(TG_PICK(bias_act_workspace)(s));
  s.workspace = workspace.data();
  tg::GilPause pause((double)x.size * 4);
  TG_PICK(bias_act_vjp)(s, x.data, gy.data, gx.data, gb.data, gslope.data);
}

}  // namespace

void bind_bias_act(py::module_& m) {
  m.def("bias_act", &forward, tg::raw("x"), py::arg("b").none(true), py::arg("slope").none(true),
        tg::raw("act"), py::arg("alpha"), py::arg("gain"), py::arg("clamp").none(true),
        tg::raw("y"));
  m.def("bias_act_vjp", &vjp, tg::raw("x"), py::arg("b").none(true), py::arg("slope").none(true),
        tg::raw("gy"), tg::raw("act"), py::arg("alpha"), py::arg("gain"),
        py::arg("clamp").none(true), tg::raw("gx"), py::arg("gb").none(true),
        py::arg("gslope").none(true));
}
