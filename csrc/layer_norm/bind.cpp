#include "../common/bind_norm.hpp"
#include "layer_norm.hpp"

namespace py = pybind11;

namespace {

// Check x (rows, width) and describe the call; the workspace comes later.
LayerNormShape shape_of(const tg::View& x, double eps) {
  if (x.ndim != 2 || x.size == 0) tg::fail("x: need (rows, width) with at least one of each");
  tg::need_c_contiguous(x);
  return {x.is_double, x.shape[0], x.shape[1], eps, nullptr};
}

void forward(const py::array& x_, const py::array& weight_, const py::array& bias_, double eps,
             const py::array& y_) {
  tg::View x = tg::view(x_, "x");
  tg::run_norm(x, shape_of(x, eps), TG_PICK(layer_norm_workspace), TG_PICK(layer_norm), weight_,
               bias_, y_);
}

void vjp(const py::array& x_, const py::array& weight_, const py::array& gy_, double eps,
         const py::array& gx_, const py::array& gweight_, const py::array& gbias_) {
  tg::View x = tg::view(x_, "x");
  tg::run_norm_vjp(x, shape_of(x, eps), TG_PICK(layer_norm_workspace), TG_PICK(layer_norm_vjp),
                   weight_, gy_, gx_, gweight_, gbias_);
}

}  // namespace

void bind_layer_norm(py::module_& m) {
  m.def("layer_norm", &forward, tg::raw("x"), tg::raw("weight"), tg::raw("bias"), py::arg("eps"),
        tg::raw("y"));
  m.def("layer_norm_vjp", &vjp, tg::raw("x"), tg::raw("weight"), tg::raw("gy"), py::arg("eps"),
        tg::raw("gx"), tg::raw("gweight"), tg::raw("gbias"));
}
