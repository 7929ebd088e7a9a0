"""Activations, alone and as bias_act with gain, slope and clamp; dropout."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from ... import kernels, ops
from ...autograd import Tensor
from ...kernels.arrays import Array, Shape, xp_of
from ...random import Stream
from ..choices import Choices
from .elementwise import any_shape, on_grid
from .table import Drawn, family

_KERNELS = ("bias_act", "bias_act_vjp")
_ACTS = ("linear", "relu", "leaky_relu", "prelu", "elu", "tanh", "sigmoid", "softplus", "swish")


def _enter(name: str, draw: Callable[[Choices, Shape], Array]) -> None:
    op = getattr(ops, name)
    family(name, kernels=_KERNELS)(lambda c: Drawn(op, [draw(c, any_shape(c))]))


for _name in ("sigmoid", "softplus", "swish", "tanh"):
    _enter(_name, Choices.normal)
_enter("relu", Choices.off_zero)


@family("leaky_relu", kernels=_KERNELS)
def _leaky_relu(c: Choices) -> Drawn:
    slope = c.pick(0.01, 0.2, 0.3, -0.5, 0.0, 1.0)
    return Drawn(lambda x: ops.leaky_relu(x, negative_slope=slope) * x, [c.off_zero(any_shape(c))])


@family("elu", kernels=_KERNELS)
def _elu(c: Choices) -> Drawn:
    alpha = c.pick(1.0, 1.0, 0.5, 1.7)
    return Drawn(lambda x: ops.elu(x, alpha=alpha), [c.off_zero(any_shape(c))])


def _channels(shape: Shape) -> Shape:
    """Return the shape of one number a channel: of axis 1, or of axis 0 where that is all."""
    return shape[1:2] if len(shape) > 1 else shape


@family("prelu", kernels=_KERNELS)
def _prelu(c: Choices) -> Drawn:
    shape = any_shape(c, least=1)
    slope = c.normal(_channels(shape) if c.chance(2) else (1,))
    return Drawn(ops.prelu, [c.off_zero(shape), slope])


@family("bias_act", kernels=_KERNELS)
def _bias_act(c: Choices) -> Drawn:
    act, has_bias = c.pick(*_ACTS), c.pick(True, True, False)
    shape = any_shape(c, least=1 if has_bias or act == "prelu" else 0)  # 1: they need an axis
    params: dict[str, Any] = {"act": act, "gain": c.pick(1.0, 1.4, 0.5, -2.0)}
    if act in ("leaky_relu", "elu"):
        params["alpha"] = c.pick(None, 0.1, 0.3, 1.5)
    # x on odd multiples of a step, b on even ones: x + b is never near 0, however they broadcast
    args = [on_grid(c, shape, 1)]
    if has_bias:
        args.append(on_grid(c, _channels(shape), 0))
    if act == "prelu":
        args.append(on_grid(c, _channels(shape) if c.chance(2) else (1,), 1))
    gaps = _gaps(params, args[-1], 1.0 if c.small_integers else 0.3)
    if gaps and c.chance(2):
        params["clamp"] = c.pick(*gaps)

    def _fn(x: Tensor, *others: Tensor) -> Tensor:
        left = list(others)
        b = left.pop(0) if has_bias else None
        return ops.bias_act(x, b, left[0] if left else None, **params)

    return Drawn(_fn, args)


def _gaps(params: dict[str, Any], slope: Array, step: float) -> list[float]:
    """Return clamps that are at least 0.1 from the magnitude of any output."""
    t = step * np.arange(-11, 11, 2)  # what x + b can be
    with kernels.use_backend("numpy"):
        if params["act"] == "prelu":
            y = ops.bias_act(np.tile(t[:, None], slope.size), None, slope, **params)
        else:
            y = ops.bias_act(t, **params)
    levels = sorted({0.0, *np.abs(y.numpy()).ravel().tolist()})
    return [(low + high) / 2 for low, high in pairwise(levels) if high - low > 0.2]


@family("dropout")
def _dropout(c: Choices) -> Drawn:
    p, seed = c.pick(0.0, 0.3, 0.5, 0.9), c.integer(0, 99)

    def _fn(x: Tensor) -> Tensor:
        # a stream of its own at each call: the mask is part of the function
        return ops.dropout(x, p, mask_stream=Stream(seed, "dropout", xp=xp_of(x.data)))

    return Drawn(_fn, [c.normal(any_shape(c))])
