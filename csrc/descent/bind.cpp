#include "../common/bind_groups.hpp"
#include "descent.hpp"

namespace py = pybind11;

namespace {

void sgd(double lr, double momentum, double dampening, double weight_decay, bool nesterov,
         bool first, const py::args& arrays) {
  std::vector<tg::Role> roles = {{"p", true}, {"g", false}};
  if (momentum != 0) roles.push_back({"b", true});
  tg::Groups params(arrays, roles);
  SgdStep s = {lr, momentum, weight_decay, first ? 1 : 1 - dampening, nesterov};
  tg::GilPause pause((double)params.total());
  TG_PICK(sgd)(s, params.all());
}

void rmsprop(double lr, double alpha, double eps, double weight_decay, double momentum,
             bool centered, const py::args& arrays) {
  std::vector<tg::Role> roles = {{"p", true}, {"g", false}, {"s", true}};
  if (momentum != 0) roles.push_back({"b", true});
  if (centered) roles.push_back({"m", true});
  tg::Groups params(arrays, roles);
  RmspropStep s = {lr, alpha, eps, weight_decay, momentum, centered};
  tg::GilPause pause((double)params.total() * 2);
  TG_PICK(rmsprop)(s, params.all());
}

}  // namespace

void bind_descent(py::module_& m) {
  m.def("sgd", &sgd, py::arg("lr"), py::arg("momentum"), py::arg("dampening"),
        py::arg("weight_decay"), tg::raw("nesterov"), tg::raw("first"));
  m.def("rmsprop", &rmsprop, py::arg("lr"), py::arg("alpha"), py::arg("eps"),
        py::arg("weight_decay"), py::arg("momentum"), tg::raw("centered"));
}
