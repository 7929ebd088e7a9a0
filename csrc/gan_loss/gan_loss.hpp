// The mean over n logits of a GAN loss, and its vjp.
#pragma once

#include <stddef.h>

#include "../common/dispatch.hpp"

// In the order of KINDS in tinygan/kernels/gan_loss/spec.py.
enum LossKind { LOGISTIC, HINGE, WASSERSTEIN, LEAST_SQUARES, LOSS_KIND_COUNT };

struct GanLoss {
  bool is_double;
  long n;
  int kind;
  double target;
  void* workspace;  // gan_loss_workspace bytes
};

#define TG_DECLARE_GAN_LOSS(isa)                                                        \
  namespace isa {                                                                       \
  size_t gan_loss_workspace(const GanLoss& s);                                          \
  void gan_loss(const GanLoss& s, const void* logit, void* y);                          \
  void gan_loss_vjp(const GanLoss& s, const void* logit, const void* gy, void* glogit); \
  }
TG_FOR_EACH_ISA(TG_DECLARE_GAN_LOSS)
#undef TG_DECLARE_GAN_LOSS
