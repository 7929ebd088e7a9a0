#include "../common/bind.hpp"

#include "gan_loss.hpp"

namespace py = pybind11;

namespace {

GanLoss describe(const tg::View& logit, int kind, double target) {
  if (logit.ndim != 1 || logit.size == 0) tg::fail("logit: need (n,) with n at least 1");
  tg::need_c_contiguous(logit);
  if (kind < 0 || kind >= LOSS_KIND_COUNT) tg::fail("kind: no such loss");
  return {logit.is_double, logit.size, kind, target, nullptr};
}

void forward(const py::array& logit_, int kind, double target, const py::array& y_) {
  tg::View logit = tg::view(logit_, "logit");
  GanLoss s = describe(logit, kind, target);
  tg::View y = tg::operand(y_, "y", logit, {}, true);
  tg::need_disjoint(y, logit);
  tg::Workspace workspace(TG_PICK(gan_loss_workspace)(s));
  s.workspace = workspace.data();
  tg::GilPause pause((double)s.n * 4);
  TG_PICK(gan_loss)(s, logit.data, y.data);
}

void vjp(const py::array& logit_, const py::array& gy_, int kind, double target,
         const py::array& glogit_) {
  tg::View logit = tg::view(logit_, "logit");
  GanLoss s = describe(logit, kind, target);
  tg::View gy = tg::operand(gy_, "gy", logit, {}),
           glogit = tg::like(glogit_, "glogit", logit, true);
  tg::need_disjoint({&glogit}, {&logit, &gy});
  tg::GilPause pause((double)s.n * 4);
  TG_PICK(gan_loss_vjp)(s, logit.data, gy.data, glogit.data);
}

}  // namespace

void bind_gan_loss(py::module_& m) {
  m.def("gan_loss", &forward, tg::raw("logit"), tg::raw("kind"), py::arg("target"), tg::raw("y"));
  m.def("gan_loss_vjp", &vjp, tg::raw("logit"), tg::raw("gy"), tg::raw("kind"), py::arg("target"),
        tg::raw("glogit"));
}
