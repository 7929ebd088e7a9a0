#include "../common/bind_norm.hpp"
#include "batch_norm.hpp"

namespace py = pybind11;

namespace {

// Check x (rows, channels) and describe the call; the workspace comes later.
BatchNormShape shape_of(const tg::View& x, double eps) {
  if (x.ndim != 2 || x.size == 0) tg::fail("x: need (rows, channels) with at least one of each");
  tg::need_c_contiguous(x);
  return {x.is_double, x.shape[0], x.shape[1], eps, tg_num_threads(), nullptr};
}

void stats(const py::array& x_, const py::array& mean_, const py::array& var_) {
  tg::View x = tg::view(x_, "x");
  BatchNormShape shape = shape_of(x, 0);
  tg::View mean = tg::per_channel(mean_, "mean", x, true),
           var = tg::per_channel(var_, "var", x, true);
  tg::need_disjoint({&mean, &var}, {&x});
  tg::Workspace workspace(TG_PICK(batch_norm_workspace)(shape));
  shape.workspace = workspace.data();
  tg::GilPause pause((double)x.size * 2);
  TG_PICK(batch_norm_stats)(shape, x.data, mean.data, var.data);
}

void forward(const py::array& x_, const py::array& weight_, const py::array& bias_, double eps,
             const py::array& y_) {
  tg::View x = tg::view(x_, "x");
  tg::run_norm(x, shape_of(x, eps), TG_PICK(batch_norm_workspace), TG_PICK(batch_norm), weight_,
               bias_, y_);
}

void vjp(const py::array& x_, const py::array& weight_, const py::array& gy_, double eps,
         const py::array& gx_, const py::array& gweight_, const py::array& gbias_) {
  tg::View x = tg::view(x_, "x");
  tg::run_norm_vjp(x, shape_of(x, eps), TG_PICK(batch_norm_workspace), TG_PICK(batch_norm_vjp),
                   weight_, gy_, gx_, gweight_, gbias_);
}

}  // namespace

void bind_batch_norm(py::module_& m) {
  m.def("batch_norm_stats", &stats, tg::raw("x"), tg::raw("mean"), tg::raw("var"));
  m.def("batch_norm", &forward, tg::raw("x"), tg::raw("weight"), tg::raw("bias"), py::arg("eps"),
        tg::raw("y"));
  m.def("batch_norm_vjp", &vjp, tg::raw("x"), tg::raw("weight"), tg::raw("gy"), py::arg("eps"),
        tg::raw("gx"), tg::raw("gweight"), tg::raw("gbias"));
}
