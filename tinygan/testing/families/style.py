"""Norms inside a sample, styles and modulated convolution: groups of 1 value and more."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import ops
from ...kernels.arrays import Array, Shape
from ..choices import Choices
from .norms import spread
from .table import Drawn, family


def _varied(c: Choices, shape: Shape, boxes: int) -> Array:
    """Draw an array whose every box, of so many in C order, varies by at least half a unit."""
    one = (math.prod(shape) // max(boxes, 1),)
    rows = [c.distinct(one) for _ in range(boxes)]
    x = np.stack(rows).reshape(shape) if boxes else np.zeros(shape)
    return x if c.small_integers else x + 0.1 * c.normal(shape)


def _eps(c: Choices) -> float:
    return c.pick(1e-5, 1e-3, 0.1)


# In a group of one value y is the bias, whatever x is; among larger ones equal samples are no harm.
@family("group_norm", kernels=("group_norm", "group_norm_vjp"))
def _group_norm(c: Choices) -> Drawn:
    groups, of_group = c.integer(1, 3), c.pick(1, 2, 2, 3)
    n, channels, eps = c.extent(3, zero=True), groups * of_group, _eps(c)
    x = _varied(c, (n, channels, *c.shape(c.integer(0, 2), 3)), n * groups)
    return Drawn(
        lambda x, weight, bias: ops.group_norm(x, groups, weight, bias, eps=eps),
        [x, c.normal((channels,)), c.normal((channels,))],
    )


@family("instance_norm", kernels=("group_norm", "group_norm_vjp"))
def _instance_norm(c: Choices) -> Drawn:
    n, channels, eps = c.extent(3, zero=True), c.extent(3), _eps(c)
    x = _varied(c, (n, channels, c.integer(2, 4), *c.shape(c.integer(0, 1), 3)), n * channels)
    affine = [c.normal((channels,)), c.normal((channels,))]
    if c.chance(3):
        running = [c.normal((channels,)), c.positive((channels,))]
        return Drawn(
            lambda *xs: ops.instance_norm(*xs, use_input_stats=False, eps=eps),
            [x, *running, *affine],
        )
    if c.chance(3):
        return Drawn(lambda x: ops.instance_norm(x, eps=eps), [x])
    return Drawn(
        lambda x, weight, bias: ops.instance_norm(x, weight=weight, bias=bias, eps=eps),
        [x, *affine],
    )


# Broadcast along its only axis, x would not vary.
@family("layer_norm", kernels=("layer_norm", "layer_norm_vjp"), broadcast=False)
def _layer_norm(c: Choices) -> Drawn:
    shape, eps = c.shape(c.integer(1, 3), 3), _eps(c)
    outer = tuple(c.extent(3, zero=True) for _ in range(c.integer(0, 2)))
    if c.chance(3):  # an image that is normalised as a whole
        outer, shape = (c.extent(3),), c.shape(3, 3)
    x = _varied(c, (*outer, *shape), math.prod(outer))
    return Drawn(
        lambda x, weight, bias: ops.layer_norm(x, shape, weight, bias, eps=eps),
        [x, c.normal(shape), c.normal(shape)],
    )


@family("pixel_norm")
def _pixel_norm(c: Choices) -> Drawn:
    channels = c.integer(1, 4)
    eps = c.pick(1e-8, 1e-3) if channels > 1 else 0.1  # x / |x| has no slope but eps's
    shape = (c.extent(3, zero=True), channels, *c.shape(c.integer(0, 2), 3, zero=True))
    return Drawn(lambda x: ops.pixel_norm(x, eps=eps), [c.off_zero(shape)])


def _style(c: Choices, x: Array) -> list[Array]:
    return [c.normal(x.shape[:2]), c.normal(x.shape[:2])]


@family("film")
def _film(c: Choices) -> Drawn:
    shape = c.shape(c.integer(2, 4), 3, zero=True)
    x = c.normal(shape)
    return Drawn(ops.film, [x, *_style(c, x)])


@family("adain", kernels=("group_norm", "group_norm_vjp"))
def _adain(c: Choices) -> Drawn:
    n, channels, eps = c.extent(3, zero=True), c.extent(3), _eps(c)
    x = _varied(c, (n, channels, c.integer(2, 4), *c.shape(c.integer(0, 1), 3)), n * channels)
    return Drawn(lambda *xs: ops.adain(*xs, eps=eps), [x, *_style(c, x)])


@family("conditional_batch_norm", kernels=("batch_norm", "batch_norm_vjp"), broadcast=False)
def _conditional_batch_norm(c: Choices) -> Drawn:
    eps = _eps(c)
    x = spread(c, (c.integer(2, 4), c.extent(3), *c.shape(c.integer(0, 2), 3)))
    return Drawn(lambda *xs: ops.conditional_batch_norm(*xs, eps=eps), [x, *_style(c, x)])


@family("modulated_conv2d", kernels=("conv2d", "conv2d_dgrad", "conv2d_wgrad"))
def _modulated_conv2d(c: Choices) -> Drawn:
    n, i, o = c.shape(3, 3, zero=True)
    r, s = c.integer(1, 3), c.integer(1, 3)
    transposed, stride = c.chance(3), c.integer(1, 2)
    params: dict[str, Any] = {
        "demodulate": c.pick(True, True, False),
        "stride": stride,
        "padding": (c.integer(0, (r - 1) // 2), c.integer(0, (s - 1) // 2)),
        "transposed": transposed,
        "output_padding": c.integer(0, stride - 1) if transposed else 0,
        "grouped": c.pick(True, False),
        "eps": c.pick(1e-8, 1e-3) if i > 1 else 0.1,  # of one channel style cancels, but for eps
    }
    low = (1, 1) if transposed else (r, s)
    h, w = (c.integer(at_least, at_least + 2) for at_least in low)
    return Drawn(
        lambda *xs: ops.modulated_conv2d(*xs, **params),
        [c.image(n, i, h, w), c.off_zero((o, i, r, s)), c.off_zero((n, i))],
    )


@family("weight_norm")
def _weight_norm(c: Choices) -> Drawn:
    shape = list(c.shape(c.integer(1, 4), 3))
    dim = c.pick(None, *range(len(shape)))
    if math.prod(shape) == (1 if dim is None else shape[dim]):  # v / |v| has no slope
        shape.append(2)
    lengths = () if dim is None else tuple(n if a == dim else 1 for a, n in enumerate(shape))
    return Drawn(
        lambda v, g: ops.weight_norm(v, g, dim=dim), [c.off_zero(shape), c.normal(lengths)]
    )
