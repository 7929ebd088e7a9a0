#include "../common/bind.hpp"

#include "spectral_norm.hpp"

namespace py = pybind11;

namespace {

constexpr long kMaxSteps = 1000000;  // MAX_STEPS of kernels/spectral_norm/spec.py

SpectralNorm describe(const tg::View& w) {
  if (w.ndim != 2 || w.size == 0) tg::fail("w: need (rows, columns) with at least one of each");
  tg::need_c_contiguous(w);
  return {w.is_double, w.shape[0], w.shape[1], nullptr};
}

// An operand of this shape, in C order, of the dtype of w.
tg::View operand(const py::array& array, const char* name, const tg::View& w,
                 std::initializer_list<long> shape, bool writable = false) {
  tg::View v = tg::view(array, name, writable);
  tg::need_shape(v, shape);
  tg::need_same_dtype(w, v);
  tg::need_c_contiguous(v);
  return v;
}

void forward(const py::array& w_, const py::array& u_, const py::array& v_, const py::array& y_) {
  tg::View w = tg::view(w_, "w");
  SpectralNorm s = describe(w);
  tg::View u = operand(u_, "u", w, {s.rows}), v = operand(v_, "v", w, {s.columns});
  tg::View y = operand(y_, "y", w, {s.rows, s.columns}, true);
  for (const tg::View* in : {&w, &u, &v}) tg::need_disjoint(y, *in);
  tg::Workspace workspace(TG_PICK(spectral_norm_workspace)(s));
  s.workspace = workspace.data();
  tg::GilPause pause((double)w.size * 2);
  TG_PICK(spectral_norm)(s, w.data, u.data, v.data, y.data);
}

void vjp(const py::array& w_, const py::array& u_, const py::array& v_, const py::array& gy_,
         const py::array& gw_, const py::array& gu_, const py::array& gv_) {
  tg::View w = tg::view(w_, "w");
  SpectralNorm s = describe(w);
  tg::View u = operand(u_, "u", w, {s.rows}), v = operand(v_, "v", w, {s.columns});
  tg::View gy = operand(gy_, "gy", w, {s.rows, s.columns});
  tg::View gw = operand(gw_, "gw", w, {s.rows, s.columns}, true);
  tg::View gu = operand(gu_, "gu", w, {s.rows}, true),
           gv = operand(gv_, "gv", w, {s.columns}, true);
  for (const tg::View* out : {&gw, &gu, &gv})
    for (const tg::View* in : {&w, &u, &v, &gy}) tg::need_disjoint(*out, *in);
  tg::need_disjoint(gw, gu), tg::need_disjoint(gw, gv), tg::need_disjoint(gu, gv);
  tg::Workspace workspace(TG_PICK(spectral_norm_workspace)(s));
  s.workspace = workspace.data();
  tg::GilPause pause((double)w.size * 4);
  TG_PICK(spectral_norm_vjp)(s, w.data, u.data, v.data, gy.data, gw.data, gu.data, gv.data);
}

void power_iteration(const py::array& w_, long steps, double eps, const py::array& u_,
                     const py::array& v_) {
  tg::View w = tg::view(w_, "w");
  SpectralNorm s = describe(w);
  if (steps < 1 || steps > kMaxSteps) tg::fail("steps: need 1 to 1,000,000");
  tg::View u = operand(u_, "u", w, {s.rows}, true), v = operand(v_, "v", w, {s.columns}, true);
  tg::need_disjoint(u, w), tg::need_disjoint(v, w), tg::need_disjoint(u, v);
  tg::Workspace workspace(TG_PICK(spectral_norm_workspace)(s));
  s.workspace = workspace.data();
  tg::GilPause pause((double)w.size * 2 * (double)steps);
  TG_PICK(power_iteration)(s, w.data, steps, eps, u.data, v.data);
}

}  // namespace

void bind_spectral_norm(py::module_& m) {
  m.def("spectral_norm", &forward, tg::raw("w"), tg::raw("u"), tg::raw("v"), tg::raw("y"));
  m.def("spectral_norm_vjp", &vjp, tg::raw("w"), tg::raw("u"), tg::raw("v"), tg::raw("gy"),
        tg::raw("gw"), tg::raw("gu"), tg::raw("gv"));
  m.def("power_iteration", &power_iteration, tg::raw("w"), tg::raw("steps"), py::arg("eps"),
        tg::raw("u"), tg::raw("v"));
}
