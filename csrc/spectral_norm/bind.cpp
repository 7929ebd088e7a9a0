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

void forward(const py::array& w_, const py::array& u_, const py::array& v_, const py::array& y_) {
  tg::View w = tg::view(w_, "w");
  SpectralNorm s = describe(w);
  tg::View u = tg::operand(u_, "u", w, {s.rows}), v = tg::operand(v_, "v", w, {s.columns});
  tg::View y = tg::like(y_, "y", w, true);
  tg::need_disjoint({&y}, {&w, &u, &v});
  tg::Workspace workspace(TG_PICK(spectral_norm_workspace)(s));
  s.workspace = workspace.data();
  tg::GilPause pause((double)w.size * 2);
  TG_PICK(spectral_norm)(s, w.data, u.data, v.data, y.data);
}

void vjp(const py::array& w_, const py::array& u_, const py::array& v_, const py::array& gy_,
         const py::array& gw_, const py::array& gu_, const py::array& gv_) {
  tg::View w = tg::view(w_, "w");
  SpectralNorm s = describe(w);
  tg::View u = tg::operand(u_, "u", w, {s.rows}), v = tg::operand(v_, "v", w, {s.columns});
  tg::View gy = tg::like(gy_, "gy", w), gw = tg::like(gw_, "gw", w, true);
  tg::View gu = tg::operand(gu_, "gu", w, {s.rows}, true);
  tg::View gv = tg::operand(gv_, "gv", w, {s.columns}, true);
  tg::need_disjoint({&gw, &gu, &gv}, {&w, &u, &v, &gy});
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
  tg::View u = tg::operand(u_, "u", w, {s.rows}, true),
           v = tg::operand(v_, "v", w, {s.columns}, true);
  tg::need_disjoint({&u, &v}, {&w});
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
