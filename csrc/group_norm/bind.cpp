#include "../common/bind_norm.hpp"
#include "group_norm.hpp"

namespace py = pybind11;

namespace {

// Check x (samples, rows, channels) and describe the call; the workspace comes later.
GroupNormShape shape_of(const tg::View& x, long groups, double eps) {
  if (x.ndim != 3 || x.size == 0)
    tg::fail("x: need (samples, rows, channels) with at least one of each");
  tg::need_c_contiguous(x);
  if (groups < 1 || x.shape[2] % groups != 0) tg::fail("groups: must divide the channels");
  return {x.is_double, x.shape[0], x.shape[1], x.shape[2], groups, eps, tg_num_threads(), nullptr};
}

void forward(const py::array& x_, const py::array& weight_, const py::array& bias_, long groups,
             double eps, const py::array& y_) {
  tg::View x = tg::view(x_, "x");
  tg::run_norm(x, shape_of(x, groups, eps), TG_PICK(group_norm_workspace), TG_PICK(group_norm),
               weight_, bias_, y_);
}

void vjp(const py::array& x_, const py::array& weight_, const py::array& gy_, long groups,
         double eps, const py::array& gx_, const py::array& gweight_, const py::array& gbias_) {
  tg::View x = tg::view(x_, "x");
  tg::run_norm_vjp(x, shape_of(x, groups, eps), TG_PICK(group_norm_workspace),
                   TG_PICK(group_norm_vjp), weight_, gy_, gx_, gweight_, gbias_);
}

}  // namespace

void bind_group_norm(py::module_& m) {
  m.def("group_norm", &forward, tg::raw("x"), tg::raw("weight"), tg::raw("bias"), tg::raw("groups"),
        py::arg("eps"), tg::raw("y"));
  m.def("group_norm_vjp", &vjp, tg::raw("x"), tg::raw("weight"), tg::raw("gy"), tg::raw("groups"),
        py::arg("eps"), tg::raw("gx"), tg::raw("gweight"), tg::raw("gbias"));
}
