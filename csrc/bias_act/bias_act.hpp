// y = clip(act(x + b) * gain, -clamp, clamp) on a matrix (rows, channels) in C order.
#pragma once

#include <stddef.h>

#include "../common/dispatch.hpp"

// In the order of ACTS in tinygan/kernels/bias_act/spec.py.
enum Act { LINEAR, RELU, LEAKY_RELU, PRELU, ELU, TANH, SIGMOID, SOFTPLUS, SWISH, ACT_COUNT };

struct BiasAct {
  bool is_double;
  long rows, channels;  // channels is 1 where there is neither b nor slope
  int act;
  double alpha, gain;
  bool clamped;
  double clamp;
  const void *b, *slope;  // (channels,), or null: no bias, and alpha for every channel
  int slots;              // threads that the workspace has room for
  void* workspace;        // bias_act_workspace bytes
};

#define TG_DECLARE_BIAS_ACT(isa)                                                         \
  namespace isa {                                                                        \
  size_t bias_act_workspace(const BiasAct& s);                                           \
  void bias_act(const BiasAct& s, const void* x, void* y);                               \
  void bias_act_vjp(const BiasAct& s, const void* x, const void* gy, void* gx, void* gb, \
                    void* gslope); /* gb and gslope (channels,) or null */               \
  }
TG_FOR_EACH_ISA(TG_DECLARE_BIAS_ACT)
#undef TG_DECLARE_BIAS_ACT
