#include "../common/bind.hpp"

#include "batch_norm.hpp"

namespace py = pybind11;

namespace {

// A matrix (segments, channels) of doubles: mean or var.
struct Statistics {
  tg::View mean, var;

  Statistics(const py::array& mean_, const py::array& var_, long channels, bool writable = false)
      : mean(tg::view(mean_, "mean", writable)), var(tg::view(var_, "var", writable)) {
    for (const tg::View* v : {&mean, &var}) {
      if (!v->is_double) tg::fail(v->name + ": need float64");
      if (v->ndim != 2 || v->size == 0) tg::fail(v->name + ": need (segments, channels)");
      tg::need_shape(*v, {mean.shape[0], channels});
      tg::need_c_contiguous(*v);
    }
  }
};

// Check x (rows, channels), as many rows in each segment, and describe the call; the workspace
// comes later.
BatchNormShape shape_of(const tg::View& x, long segments, double eps, double slope) {
  if (x.size % segments != 0 || x.shape[0] % segments != 0)
    tg::fail("x: its rows do not fall into the segments of mean");
  return {x.is_double, segments, x.shape[0] / segments, x.shape[1],
          eps,         slope,    tg_num_threads(),      nullptr};
}

tg::View matrix(const py::array& x_) {
  tg::View x = tg::view(x_, "x");
  if (x.ndim != 2 || x.size == 0) tg::fail("x: need (rows, channels) with at least one of each");
  tg::need_c_contiguous(x);
  return x;
}

void stats(const py::array& x_, const py::array& mean_, const py::array& var_) {
  tg::View x = matrix(x_);
  Statistics out(mean_, var_, x.shape[1], true);
  tg::need_disjoint({&out.mean, &out.var}, {&x});
  BatchNormShape shape = shape_of(x, out.mean.shape[0], 0, 1);
  tg::Workspace workspace(TG_PICK(batch_norm_workspace)(shape));
  shape.workspace = workspace.data();
  tg::GilPause pause((double)x.size * 2);
  TG_PICK(batch_norm_stats)(shape, x.data, out.mean.as<double>(), out.var.as<double>());
}

void forward(const py::array& x_, const py::array& weight_, const py::array& bias_,
             const py::array& mean_, const py::array& var_, double eps, double slope,
             const py::array& y_) {
  tg::View x = matrix(x_);
  tg::View weight = tg::per_channel(weight_, "weight", x), bias = tg::per_channel(bias_, "bias", x);
  tg::View y = tg::like(y_, "y", x, true);
  Statistics of(mean_, var_, x.shape[1]);
  tg::need_disjoint({&y}, {&x, &weight, &bias, &of.mean, &of.var});
  BatchNormShape shape = shape_of(x, of.mean.shape[0], eps, slope);
  tg::Workspace workspace(TG_PICK(batch_norm_workspace)(shape));
  shape.workspace = workspace.data();
  tg::GilPause pause((double)x.size * 2);
  TG_PICK(batch_norm)
  (shape, x.data, weight.data, bias.data, of.mean.as<double>(), of.var.as<double>(), y.data);
}

void vjp(const py::array& x_, const py::array& weight_, const py::array& bias_,
         const py::array& gy_, const py::array& mean_, const py::array& var_, double eps,
         double slope, const py::array& gx_, const py::array& gweight_, const py::array& gbias_) {
  tg::View x = matrix(x_);
  tg::View weight = tg::per_channel(weight_, "weight", x), bias = tg::per_channel(bias_, "bias", x);
  tg::View gy = tg::like(gy_, "gy", x), gx = tg::like(gx_, "gx", x, true);
  tg::View gweight = tg::per_channel(gweight_, "gweight", x, true);
  tg::View gbias = tg::per_channel(gbias_, "gbias", x, true);
  Statistics of(mean_, var_, x.shape[1]);
  tg::need_disjoint({&gx, &gweight, &gbias}, {&x, &weight, &bias, &gy, &of.mean, &of.var});
  BatchNormShape shape = shape_of(x, of.mean.shape[0], eps, slope);
  tg::Workspace workspace(TG_PICK(batch_norm_workspace)(shape));
  shape.workspace = workspace.data();
  tg::GilPause pause((double)x.size * 4);
  TG_PICK(batch_norm_vjp)
  (shape, x.data, weight.data, bias.data, gy.data, of.mean.as<double>(), of.var.as<double>(),
   gx.data, gweight.data, gbias.data);
}

}  // namespace

void bind_batch_norm(py::module_& m) {
  m.def("batch_norm_stats", &stats, tg::raw("x"), tg::raw("mean"), tg::raw("var"));
  m.def("batch_norm", &forward, tg::raw("x"), tg::raw("weight"), tg::raw("bias"), tg::raw("mean"),
        tg::raw("var"), py::arg("eps"), py::arg("slope"), tg::raw("y"));
  m.def("batch_norm_vjp", &vjp, tg::raw("x"), tg::raw("weight"), tg::raw("bias"), tg::raw("gy"),
        tg::raw("mean"), tg::raw("var"), py::arg("eps"), py::arg("slope"), tg::raw("gx"),
        tg::raw("gweight"), tg::raw("gbias"));
}
