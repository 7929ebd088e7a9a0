#include "../common/bind.hpp"

#include "reduce.hpp"

namespace py = pybind11;

namespace {

void reduce(const py::array& x_, int kind, const py::array& y_) {
  tg::View x = tg::view(x_, "x");
  if (x.ndim != 3 || x.size == 0) tg::fail("x: need (outer, middle, inner), none of them 0");
  if (kind < 0 || kind >= REDUCE_KIND_COUNT) tg::fail("kind: no such reduction");
  tg::need_c_contiguous(x);
  tg::View y = tg::operand(y_, "y", x, {x.shape[0], x.shape[2]}, true);
  tg::need_disjoint(y, x);
  Reduce s = {x.is_double, kind, x.shape[0], x.shape[1], x.shape[2], tg_num_threads(), nullptr};
  tg::Workspace workspace(TG_PICK(reduce_workspace)(s));
  s.workspace = workspace.data();
  tg::GilPause pause((double)x.size);
  TG_PICK(reduce)(s, x.data, y.data);
}

}  // namespace

void bind_reduce(py::module_& m) {
  m.def("reduce", &reduce, tg::raw("x"), tg::raw("kind"), tg::raw("y"));
}
