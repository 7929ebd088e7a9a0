#include "../common/bind.hpp"

#include <pybind11/stl.h>

#include <cstring>

#include "matmul.hpp"

namespace py = pybind11;

namespace {

// matmul(a, b, bias, c): c = a b + bias, c in C order; bias (n,) or None.
void matmul(const py::array& a_, const py::array& b_, const std::optional<py::array>& bias_,
            const py::array& c_) {
  const tg::View a = tg::view(a_, "a"), b = tg::view(b_, "b"), c = tg::view(c_, "c", true);
  for (const tg::View* v : {&a, &b, &c})
    if (v->ndim != 2) tg::fail(v->name + ": need 2 dimensions");
  tg::need_same_dtype(a, b);
  tg::need_same_dtype(a, c);
  tg::need_c_contiguous(c);
  tg::need_disjoint(c, a);
  tg::need_disjoint(c, b);
  Matmul s = {a.is_double, a.data, b.data, c.data, a.shape[0], b.shape[1], a.shape[1]};
  if (bias_) {
    const tg::View bias = tg::operand(*bias_, "bias", a, {s.N});
    tg::need_disjoint(c, bias);
    s.bias = bias.data, s.bias_n = 1;
  }
  if (b.shape[0] != s.K || c.shape[0] != s.M || c.shape[1] != s.N)
    tg::fail("a, b, c: need (m, k), (k, n), (m, n)");
  for (long extent : {s.M, s.N, s.K}) tg::checked(extent, 0, "a, b");
  const double work = (double)s.M * (double)s.N * (double)s.K;
  if (((double)s.K + 1) * ((double)s.M + (double)s.N + 128) > tg::kMaxElements)
    tg::fail("a, b: too large");
  // the stride of an axis of one element means nothing: 1 is as good as any
  s.a_m = s.M > 1 ? a.stride[0] : 1, s.a_k = s.K > 1 ? a.stride[1] : 1;
  s.b_k = s.K > 1 ? b.stride[0] : 1, s.b_n = s.N > 1 ? b.stride[1] : 1;
  if (s.N == 1 && s.M > 1)  // a column is a row of the transposed product: its tile is full
    s = {s.is_double, s.b, s.a, s.c, 1, s.M, s.K, 1, s.b_k, s.a_k, s.a_m, s.bias, 0};
  if (c.size == 0) return;
  if (s.K == 0 && !s.bias) {
    std::memset(c.data, 0, (size_t)c.size * (c.is_double ? sizeof(double) : sizeof(float)));
    return;
  }
  tg::Workspace workspace(TG_PICK(matmul_bytes)(s));
  tg::GilPause pause(work);
  TG_PICK(matmul)(s, workspace.data());
}

}  // namespace

void bind_matmul(py::module_& m) {
  m.def("matmul", &matmul, tg::raw("a"), tg::raw("b"), tg::raw("bias").none(true), tg::raw("c"));
}
