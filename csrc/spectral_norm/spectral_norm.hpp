// Spectral normalisation of a matrix w (rows, columns) in C order, float or double.
#pragma once

#include <stddef.h>

#include "../common/dispatch.hpp"

struct SpectralNorm {
  bool is_double;
  long rows, columns;
  void* workspace;  // spectral_norm_workspace bytes
};

#define TG_DECLARE_SPECTRAL_NORM(isa)                                                              \
  namespace isa {                                                                                  \
  size_t spectral_norm_workspace(const SpectralNorm& s);                                           \
  void spectral_norm(const SpectralNorm& s, const void* w, const void* u, const void* v, void* y); \
  void spectral_norm_vjp(const SpectralNorm& s, const void* w, const void* u, const void* v,       \
                         const void* gy, void* gw, void* gu, void* gv);                            \
  void power_iteration(const SpectralNorm& s, const void* w, long steps, double eps, void* u,      \
                       void* v); /* u in and out, v out */                                         \
  }
TG_FOR_EACH_ISA(TG_DECLARE_SPECTRAL_NORM)
#undef TG_DECLARE_SPECTRAL_NORM
