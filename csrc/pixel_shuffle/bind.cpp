#include "../common/bind.hpp"

#include "pixel_shuffle.hpp"

namespace py = pybind11;

namespace {

using tg::View;

// One of the two is coarse (N, C r r, H, W), the other fine (N, C, H r, W r).
PixelShuffle arguments(const View& in, const View& out, long r, bool to_fine) {
  tg::need_adjacent_channels(in);
  tg::need_dense_channels_last(out);
  tg::need_same_dtype(in, out);
  tg::need_disjoint(in, out);
  if (tg::checked(r, 1, "factor") >= 1 << 15) tg::fail("factor: out of range");
  const View &coarse = to_fine ? in : out, &fine = to_fine ? out : in;
  const long n = fine.shape[0], c = fine.shape[1], h = coarse.shape[2], w = coarse.shape[3];
  for (long extent : {n, c, h, w}) tg::checked(extent, 0, "x");
  if ((double)c * (double)r * (double)r > tg::kMaxElements) tg::fail("x: too large");
  tg::need_shape(coarse, {n, c * r * r, h, w});
  tg::need_shape(fine, {n, c, h * r, w * r});
  return {in.is_double, in.data, out.data, n, c, h, w, r, in.stride[0], in.stride[2], in.stride[3]};
}

void pixel_shuffle(const py::array& x_, long factor, const py::array& y_) {
  const View x = tg::view(x_, "x"), y = tg::view(y_, "y", true);
  const PixelShuffle a = arguments(x, y, factor, true);
  if (y.size == 0) return;
  tg::GilPause pause((double)y.size);
  TG_PICK(pixel_shuffle)(a);
}

void pixel_unshuffle(const py::array& x_, long factor, const py::array& y_) {
  const View x = tg::view(x_, "x"), y = tg::view(y_, "y", true);
  const PixelShuffle a = arguments(x, y, factor, false);
  if (y.size == 0) return;
  tg::GilPause pause((double)y.size);
  TG_PICK(pixel_unshuffle)(a);
}

}  // namespace

void bind_pixel_shuffle(py::module_& m) {
  m.def("pixel_shuffle", &pixel_shuffle, tg::raw("x"), tg::raw("factor"), tg::raw("y"));
  m.def("pixel_unshuffle", &pixel_unshuffle, tg::raw("x"), tg::raw("factor"), tg::raw("y"));
}
