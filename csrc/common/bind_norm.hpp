// What the bindings of batch, layer and group normalisation share: y = weight * x_hat + bias with a
// weight and a bias for each channel. Each has a `Shape` of its own, whose workspace is set here.
#pragma once

#include "bind.hpp"

namespace tg {

template <class Shape>
using WorkspaceSize = size_t (*)(const Shape&);
template <class Shape>
using Norm = void (*)(const Shape&, const void* x, const void* weight, const void* bias, void* y);
template <class Shape>
using NormVjp = void (*)(const Shape&, const void* x, const void* weight, const void* gy, void* gx,
                         void* gweight, void* gbias);

template <class Shape>
void run_norm(const View& x, Shape shape, WorkspaceSize<Shape> bytes, Norm<Shape> norm,
              const py::array& weight_, const py::array& bias_, const py::array& y_) {
  View weight = per_channel(weight_, "weight", x), bias = per_channel(bias_, "bias", x);
  View y = like(y_, "y", x, true);
  need_disjoint({&y}, {&x, &weight, &bias});
  Workspace workspace(bytes(shape));
  shape.workspace = workspace.data();
  GilPause pause((double)x.size * 4);
  norm(shape, x.data, weight.data, bias.data, y.data);
}

template <class Shape>
void run_norm_vjp(const View& x, Shape shape, WorkspaceSize<Shape> bytes, NormVjp<Shape> vjp,
                  const py::array& weight_, const py::array& gy_, const py::array& gx_,
                  const py::array& gweight_, const py::array& gbias_) {
  View weight = per_channel(weight_, "weight", x), gy = like(gy_, "gy", x);
  View gx = like(gx_, "gx", x, true), gweight = per_channel(gweight_, "gweight", x, true);
  View gbias = per_channel(gbias_, "gbias", x, true);
  need_disjoint({&gx, &gweight, &gbias}, {&x, &weight, &gy});
  Workspace workspace(bytes(shape));
  shape.workspace = workspace.data();
  GilPause pause((double)x.size * 8);
  vjp(shape, x.data, weight.data, gy.data, gx.data, gweight.data, gbias.data);
}

}  // namespace tg
