#include "../common/bind.hpp"

#include "attention.hpp"

namespace py = pybind11;

namespace {

using tg::View;

// Check q (B, L, E), k (B, S, E) and v (B, S, F); the workspace comes later.
Attention arguments(const View& q, const View& k, const View& v, double scale) {
  for (const View* x : {&q, &k, &v}) {
    if (x->ndim != 3 || x->size == 0) tg::fail(x->name + ": need 3 dimensions, none of them 0");
    tg::need_c_contiguous(*x);
    tg::need_same_dtype(q, *x);
    if ((double)x->size > tg::kMaxElements) tg::fail(x->name + ": too large");
  }
  const long b = q.shape[0], s = k.shape[1];
  tg::need_shape(k, {b, s, q.shape[2]});
  tg::need_shape(v, {b, s, v.shape[2]});
  for (long extent : {q.shape[1], s, q.shape[2], v.shape[2]}) tg::checked(extent, 1, "q, k, v");
  return {q.is_double, q.data,     k.data, v.data,           b,      q.shape[1], s,
          q.shape[2],  v.shape[2], scale,  tg_num_threads(), nullptr};
}

double operations(const Attention& s) {
  return (double)s.B * (double)s.L * (double)s.S * (double)(s.E + s.F);
}

void attention(const py::array& q_, const py::array& k_, const py::array& v_, double scale,
               const py::array& y_) {
  const View q = tg::view(q_, "q"), k = tg::view(k_, "k"), v = tg::view(v_, "v");
  Attention s = arguments(q, k, v, scale);
  const View y = tg::operand(y_, "y", q, {s.B, s.L, s.F}, true);
  tg::need_disjoint({&y}, {&q, &k, &v});
  tg::Workspace workspace(TG_PICK(attention_bytes)(s));
  s.workspace = workspace.data();
  tg::GilPause pause(operations(s));
  TG_PICK(attention)(s, y.data);
}

void vjp(const py::array& q_, const py::array& k_, const py::array& v_, const py::array& gy_,
         double scale, const py::array& gq_, const py::array& gk_, const py::array& gv_) {
  const View q = tg::view(q_, "q"), k = tg::view(k_, "k"), v = tg::view(v_, "v");
  Attention s = arguments(q, k, v, scale);
  const View gy = tg::operand(gy_, "gy", q, {s.B, s.L, s.F});
  const View gq = tg::like(gq_, "gq", q, true), gk = tg::like(gk_, "gk", k, true);
  const View gv = tg::like(gv_, "gv", v, true);
  tg::need_disjoint({&gq, &gk, &gv}, {&q, &k, &v, &gy});
  tg::Workspace workspace(TG_PICK(attention_vjp_bytes)(s));
  s.workspace = workspace.data();
  tg::GilPause pause(operations(s) * 3);
  TG_PICK(attention_vjp)(s, gy.data, gq.data, gk.data, gv.data);
}

}  // namespace

void bind_attention(py::module_& m) {
  m.def("attention", &attention, tg::raw("q"), tg::raw("k"), tg::raw("v"), py::arg("scale"),
        tg::raw("y"));
  m.def("attention_vjp", &vjp, tg::raw("q"), tg::raw("k"), tg::raw("v"), tg::raw("gy"),
        py::arg("scale"), tg::raw("gq"), tg::raw("gk"), tg::raw("gv"));
}
