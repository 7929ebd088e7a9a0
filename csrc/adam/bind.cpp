#include "../common/bind.hpp"

#include <cmath>

#include "adam.hpp"

namespace py = pybind11;

namespace {

void adam(const py::array& p_, const py::array& g_, const py::array& m_, const py::array& v_,
          double lr, double beta1, double beta2, double eps, double weight_decay, bool decoupled,
          long step) {
  tg::View p = tg::view(p_, "p", true);
  if (p.ndim != 1) tg::fail("p: need (n,)");
  tg::need_c_contiguous(p);
  if (step < 1) tg::fail("step: counts from 1");
  tg::View g = tg::like(g_, "g", p), m = tg::like(m_, "m", p, true), v = tg::like(v_, "v", p, true);
  tg::need_disjoint({&p, &m, &v}, {&g});
  double steps = (double)step;
  AdamStep s = {p.is_double,
                p.size,
                decoupled ? 1 - lr * weight_decay : 1,
                decoupled ? 0 : weight_decay,
                beta1,
                beta2,
                lr / (1 - std::pow(beta1, steps)),
                1 / std::sqrt(1 - std::pow(beta2, steps)),
                eps};
  tg::GilPause pause((double)p.size * 2);
  TG_PICK(adam)(s, p.data, g.data, m.data, v.data);
}

}  // namespace

void bind_adam(py::module_& m) {
  m.def("adam", &adam, tg::raw("p"), tg::raw("g"), tg::raw("m"), tg::raw("v"), py::arg("lr"),
        py::arg("beta1"), py::arg("beta2"), py::arg("eps"), py::arg("weight_decay"),
        tg::raw("decoupled"), tg::raw("step"));
}
