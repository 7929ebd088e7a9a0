// NumPy's memory handler that takes array data from the cache of memory.hpp, and its statistics.
//
// The handler's layout and the two functions come from NumPy's C API (NEP 49), reached as its
// headers reach them, so that building needs no NumPy: PyDataMem_SetHandler sets the handler of the
// current *context*, and each array keeps the handler that made its data, to free it by.
#include <pybind11/pybind11.h>

#include <cstdint>

#include "bind.hpp"
#include "memory.hpp"

namespace {

namespace py = pybind11;

struct Allocator {  // PyDataMemAllocator
  void* context;
  void* (*malloc)(void*, size_t bytes);
  void* (*calloc)(void*, size_t items, size_t bytes);
  void* (*realloc)(void*, void* block, size_t bytes);
  void (*free)(void*, void* block, size_t bytes);
};

struct Handler {  // PyDataMem_Handler
  char name[127];
  uint8_t version;
  Allocator allocator;
};

constexpr const char* kCapsule = "mem_handler";  // the name that NumPy asks for
enum { kSetHandler = 304 };                      // its place in the API's table

void* take(void*, size_t bytes) { return tg_memory_take(bytes, TG_ARRAY); }

void* take_zeroed(void*, size_t items, size_t bytes) {
  size_t all;
  return __builtin_mul_overflow(items, bytes, &all) ? nullptr : tg_memory_take_zeroed(all);
}

void* resize(void*, void* block, size_t bytes) { return tg_memory_resize(block, bytes); }

// NumPy's byte count may differ from the one it asked for (arrays without elements).
void give_back(void*, void* block, size_t) { tg_memory_give_back(block); }

Handler handler = {"tinygan_cache", 1, {nullptr, take, take_zeroed, resize, give_back}};

py::object set_handler(const py::object& wanted) {
  if (!PyCapsule_IsValid(wanted.ptr(), kCapsule)) tg::fail("handler: is no memory handler");
  using Set = PyObject* (*)(PyObject*);
  static Set set = [] {
    py::object table = py::module_::import("numpy._core.multiarray").attr("_ARRAY_API");
    void** api = static_cast<void**>(PyCapsule_GetPointer(table.ptr(), nullptr));
    if (!api) throw py::error_already_set();
    return reinterpret_cast<Set>(api[kSetHandler]);
  }();
  PyObject* former = set(wanted.ptr());
  if (!former) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(former);
}

py::tuple stats() {
  TgMemoryStats s = tg_memory_stats();
  return py::make_tuple(s.in_use, s.idle, s.peak, s.hits, s.misses);
}

}  // namespace

void bind_memory(py::module_& m) {
  m.attr("memory_caches") = tg_memory_caches();
  m.attr("memory_handler") = py::capsule(&handler, kCapsule);
  m.def("set_memory_handler", &set_handler, py::arg("handler"),
        "Let NumPy take array data from `handler` in this context; return the former handler.");
  m.def("memory_stats", &stats, "Return (in use, idle, peak) in bytes, then hits and misses.");
  m.def("trim_memory", &tg_memory_trim, "Give idle memory back; return how many bytes.");
  m.def("reset_peak_memory", &tg_memory_reset_peak, "Let the peak begin at what is in use now.");
}
