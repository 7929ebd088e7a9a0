#include "../common/bind.hpp"

#include "philox.hpp"

namespace py = pybind11;

namespace {

long below(long value, long end, const char* name) {
  if (value < 0 || value >= end) tg::fail(std::string(name) + ": out of range");
  return value;
}

// philox(draw, seed, stream, step, start, out): fill `out` from word `start` on.
void philox(long draw, uint64_t seed, long stream, long step, long start, const py::array& out_) {
  const tg::View out = tg::view(out_, "out", true);
  tg::need_c_contiguous(out);
  const Philox s = {(TgDraw)below(draw, TG_DRAWS, "draw"),
                    out.is_double,
                    out.data,
                    out.size,
                    seed,
                    (uint64_t)below(start, 1L << 62, "start"),
                    (uint32_t)below(stream, 1L << 32, "stream"),
                    (uint32_t)below(step, 1L << 32, "step")};
  tg::GilPause pause(16.0 * (double)out.size);
  TG_PICK(philox)(s);
}

}  // namespace

void bind_philox(py::module_& m) {
  m.def("philox", &philox, tg::raw("draw"), tg::raw("seed"), tg::raw("stream"), tg::raw("step"),
        tg::raw("start"), tg::raw("out"));
}
