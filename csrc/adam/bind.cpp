#include <cmath>

#include "../common/bind_groups.hpp"
#include "adam.hpp"

namespace py = pybind11;

namespace {

void adam(double lr, double beta1, double beta2, double eps, double weight_decay, bool decoupled,
          long step, const py::args& arrays) {
  if (step < 1) tg::fail("step: counts from 1");
  tg::Groups params(arrays, {{"p", true}, {"g", false}, {"m", true}, {"v", true}});
  double steps = (double)step;
  AdamStep s = {decoupled ? 1 - lr * weight_decay : 1,
                decoupled ? 0 : weight_decay,
                beta1,
                beta2,
                lr / (1 - std::pow(beta1, steps)),
                1 / std::sqrt(1 - std::pow(beta2, steps)),
                eps};
  tg::GilPause pause((double)params.total() * 2);
  TG_PICK(adam)(s, params.all());
}

}  // namespace

void bind_adam(py::module_& m) {
  m.def("adam", &adam, py::arg("lr"), py::arg("beta1"), py::arg("beta2"), py::arg("eps"),
        py::arg("weight_decay"), tg::raw("decoupled"), tg::raw("step"));
}
