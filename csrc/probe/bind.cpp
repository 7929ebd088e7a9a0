#include "../common/bind.hpp"

#include "probe.hpp"

namespace py = pybind11;

namespace {

double probe_fma(long rounds) {
  double sink[TG_MAX_THREADS];
  tg::checked(rounds, 0, "rounds");
  if (rounds > 1 << 20) tg::fail("rounds: out of range");  // about a minute
  tg::GilPause pause(1e9);
  return TG_PICK(probe_fma)(rounds, sink);
}

void probe_copy(const py::array& from_, const py::array& to_) {
  tg::View from = tg::view(from_, "from"), to = tg::like(to_, "to", from, true);
  if (from.is_double) tg::fail("from: need float32");
  tg::need_c_contiguous(from);
  tg::need_disjoint(to, from);
  tg::GilPause pause((double)from.size);
  TG_PICK(probe_copy)(from.as<float>(), to.as<float>(), from.size);
}

}  // namespace

void bind_probe(py::module_& m) {
  m.def("probe_fma", &probe_fma, tg::raw("rounds"));
  m.def("probe_copy", &probe_copy, tg::raw("from"), tg::raw("to"));
}
