"""The calls of bench/cases.py in PyTorch, each in contiguous and in channels-last memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

LAYOUTS = {"torch": torch.contiguous_format, "torch channels last": torch.channels_last}
BACKWARD = torch.ops.aten.convolution_backward


def tensor(a: Any, layout: torch.memory_format) -> Any:
    """Copy an array into a tensor of a layout, weights and images alike."""
    if a is None:
        return None
    t = torch.from_numpy(np.ascontiguousarray(a))
    return t.contiguous(memory_format=layout) if t.ndim == 4 else t


def call(case: Any, name: str) -> Callable[[], torch.Tensor] | None:
    """Return PyTorch's version of a case in the layout of that name; None where it has none."""
    layout = LAYOUTS[name]
    if layout is torch.channels_last and not any(
        a is not None and a.ndim == 4 for a in case.arrays
    ):
        return None
    arrays = [tensor(a, layout) for a in case.arrays]
    if case.op == "matmul":  # views of turned matrices, as ours
        arrays = [torch.from_numpy(a) for a in case.arrays]
    make = MAKERS.get(case.op)
    return None if make is None else make(arrays, case.params)


def _conv2d(arrays: list[Any], p: dict[str, Any]) -> Callable[[], torch.Tensor]:
    x, w = arrays
    return lambda: functional.conv2d(x, w, None, p["spec"].stride, p["spec"].padding)


def _backward(gy: Any, x: Any, w: Any, spec: Any, mask: list[bool]) -> Callable[[], torch.Tensor]:
    options = ([0], spec.stride, spec.padding, spec.dilation, False, [0, 0], spec.groups, mask)
    which = mask.index(True)
    return lambda: BACKWARD(gy, x, w, *options)[which]


def _dgrad(arrays: list[Any], p: dict[str, Any]) -> Callable[[], torch.Tensor]:
    gy, w = arrays
    last = not gy.is_contiguous()
    x = torch.zeros(p["x_shape"])
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    return _backward(gy, x, w, p["spec"], [True, False, False])


def _wgrad(arrays: list[Any], p: dict[str, Any]) -> Callable[[], torch.Tensor]:
    x, gy = arrays
    w = torch.zeros(p["w_shape"])
    w = w if x.is_contiguous() else w.contiguous(memory_format=torch.channels_last)
    return _backward(gy, x, w, p["spec"], [False, True, False])


def _bias_act(arrays: list[Any], p: dict[str, Any]) -> Callable[[], torch.Tensor]:
    x = arrays[0]
    if p["act"] == "tanh":
        return lambda: torch.tanh(x)
    return lambda: functional.leaky_relu(x, p["alpha"])


def _bias_act_vjp(arrays: list[Any], p: dict[str, Any]) -> Callable[[], torch.Tensor]:
    x, _, gy = arrays
    return lambda: torch.ops.aten.leaky_relu_backward(gy, x, p["alpha"], False)


def _batch_norm(arrays: list[Any], p: dict[str, Any]) -> Callable[[], torch.Tensor]:
    x, weight, bias = arrays
    norm = lambda: functional.batch_norm(x, None, None, weight, bias, True, 0.1, p["eps"])  # noqa: E731
    if p["negative_slope"] == 1:
        return norm
    return lambda: functional.leaky_relu(norm(), p["negative_slope"])


def _batch_norm_vjp(arrays: list[Any], p: dict[str, Any]) -> Callable[[], torch.Tensor]:
    x, weight, bias, gy, _, _ = arrays
    t, mean, invstd = torch.ops.aten.native_batch_norm(
        x, weight, bias, None, None, True, 0.1, p["eps"]
    )
    backward = torch.ops.aten.native_batch_norm_backward
    rest = (None, None, mean, invstd, True, p["eps"], [True, True, True])
    if p["negative_slope"] == 1:
        return lambda: backward(gy, x, weight, *rest)[0]
    pull = torch.ops.aten.leaky_relu_backward
    return lambda: backward(pull(gy, t, p["negative_slope"], False), x, weight, *rest)[0]


def _avg_pool2d_vjp(arrays: list[Any], p: dict[str, Any]) -> Callable[[], torch.Tensor]:
    gy = arrays[0]
    layout = torch.contiguous_format if gy.is_contiguous() else torch.channels_last
    x = torch.zeros(p["x_shape"]).contiguous(memory_format=layout)
    window = (p["kernel"], p["stride"], p["padding"], False, True, None)
    return lambda: torch.ops.aten.avg_pool2d_backward(gy, x, *window)


def _attention(arrays: list[Any], p: dict[str, Any]) -> Callable[[], torch.Tensor]:
    q, k, v = (a[:, None] for a in arrays)
    attend = functional.scaled_dot_product_attention
    return lambda: attend(q, k, v, scale=p["scale"])[:, 0]


def _attention_vjp(arrays: list[Any], p: dict[str, Any]) -> Callable[[], torch.Tensor]:
    q, k, v = (a[:, None].requires_grad_() for a in arrays[:3])
    y = functional.scaled_dot_product_attention(q, k, v, scale=p["scale"])
    gy = arrays[3][:, None]
    return lambda: torch.autograd.grad(y, (q, k, v), gy, retain_graph=True)[0][:, 0]


MAKERS: dict[str, Callable[[list[Any], dict[str, Any]], Callable[[], torch.Tensor]]] = {
    "conv2d": _conv2d,
    "conv2d_dgrad": _dgrad,
    "conv2d_wgrad": _wgrad,
    "matmul": lambda arrays, p: lambda: arrays[0] @ arrays[1],
    "bias_act": _bias_act,
    "bias_act_vjp": _bias_act_vjp,
    "batch_norm": _batch_norm,
    "batch_norm_vjp": _batch_norm_vjp,
    "sum": lambda arrays, p: lambda: arrays[0].sum(p["axis"]),
    "attention": _attention,
    "attention_vjp": _attention_vjp,
    "avg_pool2d": lambda arrays, p: (
        lambda: functional.avg_pool2d(arrays[0], p["kernel"], p["stride"], p["padding"])
    ),
    "avg_pool2d_adjoint": _avg_pool2d_vjp,
    "max_pool2d": lambda arrays, p: (
        lambda: functional.max_pool2d(arrays[0], p["kernel"], p["stride"], p["padding"])
    ),
    "pixel_shuffle": lambda arrays, p: lambda: functional.pixel_shuffle(arrays[0], p["factor"]),
    "pixel_unshuffle": lambda arrays, p: lambda: functional.pixel_unshuffle(arrays[0], p["factor"]),
    "softmax": lambda arrays, p: lambda: torch.softmax(arrays[0], p["axis"]),
    "softmax_vjp": lambda arrays, p: (
        lambda: torch.ops.aten._softmax_backward_data(
            arrays[1], arrays[0], p["axis"], torch.float32
        )
    ),
    "logsumexp": lambda arrays, p: lambda: torch.logsumexp(arrays[0], p["axis"], True),
    "gan_loss": lambda arrays, p: lambda: functional.softplus(-arrays[0]).mean(),
    "layer_norm": lambda arrays, p: (
        lambda: functional.layer_norm(arrays[0], (arrays[0].shape[-1],), *arrays[1:], p["eps"])
    ),
}
