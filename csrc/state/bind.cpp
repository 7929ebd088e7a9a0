#include "../common/bind_groups.hpp"
#include "state.hpp"

namespace py = pybind11;

namespace {

void state_copy(const py::args& arrays) {
  tg::Groups pairs(arrays, {{"to", true}, {"from", false}});
  tg::GilPause pause((double)pairs.total());
  TG_PICK(state_copy)(pairs.all());
}

void state_average(double beta, const py::args& arrays) {
  tg::Groups pairs(arrays, {{"average", true}, {"x", false}});
  tg::GilPause pause((double)pairs.total());
  TG_PICK(state_average)(beta, pairs.all());
}

bool state_finite(const py::args& arrays) {
  tg::Groups singles(arrays, {{"x", false}});
  tg::GilPause pause((double)singles.total());
  return TG_PICK(state_finite)(singles.all());
}

}  // namespace

void bind_state(py::module_& m) {
  m.def("state_copy", &state_copy);
  m.def("state_average", &state_average, py::arg("beta"));
  m.def("state_finite", &state_finite);
}
