// tinygan._native: the C++ kernels. Each csrc/<op>/bind.cpp adds its functions through bind_<op>.
#include <pybind11/pybind11.h>

#include <cstdlib>
#include <string>

#include "common/dispatch.hpp"
#include "common/parallel.hpp"

namespace py = pybind11;

void bind_memory(py::module_& m);
void bind_conv2d(py::module_& m);
void bind_attention(py::module_& m);
void bind_batch_norm(py::module_& m);
void bind_bias_act(py::module_& m);
void bind_group_norm(py::module_& m);
void bind_layer_norm(py::module_& m);
void bind_softmax(py::module_& m);
void bind_spectral_norm(py::module_& m);
void bind_state(py::module_& m);
void bind_gan_loss(py::module_& m);
void bind_adam(py::module_& m);
void bind_matmul(py::module_& m);
void bind_philox(py::module_& m);
void bind_pixel_shuffle(py::module_& m);
void bind_pool2d(py::module_& m);
void bind_probe(py::module_& m);
void bind_descent(py::module_& m);
void bind_reduce(py::module_& m);
void bind_resize2d(py::module_& m);
void bind_unfold(py::module_& m);
void bind_upfirdn2d(py::module_& m);

namespace {

// Obey TINYGAN_ISA, and refuse a set that this CPU lacks rather than die of SIGILL later.
void choose_isa() {
  const char* named = std::getenv("TINYGAN_ISA");
  if (!named || !*named) return;
  for (TgIsa isa : {TG_ISA_BASE, TG_ISA_AVX2, TG_ISA_AVX512})
    if (std::string(named) == tg_isa_name(isa) && tg_set_isa(isa)) return;
  throw py::import_error(std::string("TINYGAN_ISA=") + named + ": this CPU runs base .. " +
                         tg_isa_name(tg_best_isa()));
}

}  // namespace

PYBIND11_MODULE(_native, m) {
  m.doc() = "tinygan's C++ kernels; call them through tinygan.kernels.";
  choose_isa();
  m.attr("isa") = tg_isa_name(tg_isa());
  m.attr("best_isa") = tg_isa_name(tg_best_isa());
  m.def("num_threads", &tg_num_threads, "Return how many threads a kernel may use.");
  m.def("set_num_threads", &tg_set_num_threads, py::arg("n").noconvert(),
        "Use at most n threads from now on (clamped to 1 .. 256).");
  bind_memory(m);
  bind_conv2d(m);
  bind_attention(m);
  bind_batch_norm(m);
  bind_bias_act(m);
  bind_group_norm(m);
  bind_layer_norm(m);
  bind_softmax(m);
  bind_spectral_norm(m);
  bind_gan_loss(m);
  bind_adam(m);
  bind_matmul(m);
  bind_philox(m);
  bind_pixel_shuffle(m);
  bind_pool2d(m);
  bind_probe(m);
  bind_descent(m);
  bind_reduce(m);
  bind_resize2d(m);
  bind_state(m);
  bind_unfold(m);
  bind_upfirdn2d(m);
}
