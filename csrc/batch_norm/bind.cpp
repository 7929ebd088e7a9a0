#include "../common/bind.hpp"

#include "batch_norm.hpp"

namespace py = pybind11;

namespace {

// Check x (rows, channels) and describe the call; the workspace comes later.
BatchNormShape shape_of(const tg::View& x, double eps) {
  if (x.ndim != 2 || x.size == 0) tg::fail("x: need (rows, channels) with at least one of each");
  tg::need_c_contiguous(x);
  return {x.is_double, x.shape[0], x.shape[1], eps, tg_num_threads(), nullptr};
}

// A (channels,) operand in C order, of the dtype of x.
tg::View vector(const py::array& array, const char* name, const tg::View& x,
                bool writable = false) {
  tg::View v = tg::view(array, name, writable);
  tg::need_shape(v, {x.shape[1]});
  tg::need_same_dtype(x, v);
  tg::need_c_contiguous(v);
  return v;
}

// An operand shaped and stored as x.
tg::View like(const py::array& array, const char* name, const tg::View& x, bool writable = false) {
  tg::View v = tg::view(array, name, writable);
  tg::need_shape(v, {x.shape[0], x.shape[1]});
  tg::need_same_dtype(x, v);
  tg::need_c_contiguous(v);
  return v;
}

void stats(const py::array& x_, const py::array& mean_, const py::array& var_) {
  tg::View x = tg::view(x_, "x");
  BatchNormShape shape = shape_of(x, 0);
  tg::View mean = vector(mean_, "mean", x, true), var = vector(var_, "var", x, true);
  tg::need_disjoint(mean, x), tg::need_disjoint(var, x), tg::need_disjoint(mean, var);
  tg::Workspace workspace(TG_PICK(batch_norm_workspace)(shape));
  shape.workspace = workspace.data();
  tg::GilPause pause((double)x.size * 2);
  TG_PICK(batch_norm_stats)(shape, x.data, mean.data, var.data);
}

void forward(const py::array& x_, const py::array& weight_, const py::array& bias_, double eps,
             const py::array& y_) {
  tg::View x = tg::view(x_, "x");
  BatchNormShape shape = shape_of(x, eps);
  tg::View weight = vector(weight_, "weight", x), bias = vector(bias_, "bias", x);
  tg::View y = like(y_, "y", x, true);
  for (const tg::View* in : {&x, &weight, &bias}) tg::need_disjoint(y, *in);
  tg::Workspace workspace(TG_PICK(batch_norm_workspace)(shape));
  shape.workspace = workspace.data();
  tg::GilPause pause((double)x.size * 4);
  TG_PICK(batch_norm)(shape, x.data, weight.data, bias.data, y.data);
}

void vjp(const py::array& x_, const py::array& weight_, const py::array& gy_, double eps,
         const py::array& gx_, const py::array& gweight_, const py::array& gbias_) {
  tg::View x = tg::view(x_, "x");
  BatchNormShape shape = shape_of(x, eps);
  tg::View weight = vector(weight_, "weight", x), gy = like(gy_, "gy", x);
  tg::View gx = like(gx_, "gx", x, true), gweight = vector(gweight_, "gweight", x, true);
  tg::View gbias = vector(gbias_, "gbias", x, true);
  for (const tg::View* out : {&gx, &gweight, &gbias})
    for (const tg::View* in : {&x, &weight, &gy}) tg::need_disjoint(*out, *in);
  tg::need_disjoint(gx, gweight), tg::need_disjoint(gx, gbias), tg::need_disjoint(gweight, gbias);
  tg::Workspace workspace(TG_PICK(batch_norm_workspace)(shape));
  shape.workspace = workspace.data();
  tg::GilPause pause((double)x.size * 8);
  TG_PICK(batch_norm_vjp)(shape, x.data, weight.data, gy.data, gx.data, gweight.data, gbias.data);
}

}  // namespace

void bind_batch_norm(py::module_& m) {
  m.def("batch_norm_stats", &stats, tg::raw("x"), tg::raw("mean"), tg::raw("var"));
  m.def("batch_norm", &forward, tg::raw("x"), tg::raw("weight"), tg::raw("bias"), py::arg("eps"),
        tg::raw("y"));
  m.def("batch_norm_vjp", &vjp, tg::raw("x"), tg::raw("weight"), tg::raw("gy"), py::arg("eps"),
        tg::raw("gx"), tg::raw("gweight"), tg::raw("gbias"));
}
