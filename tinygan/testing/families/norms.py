"""Norms: batches of 2 values a channel and more, with 2 to 4 axes; weights as matrices."""

from __future__ import annotations

import math

import numpy as np

from ... import ops
from ...kernels.arrays import Array, Shape
from ..choices import Choices
from .table import Drawn, family


def spread(c: Choices, shape: Shape) -> Array:
    """Draw an array (N, C, ...) whose every channel varies by at least half a unit."""
    one = (shape[0], *shape[2:])
    x = np.stack([c.distinct(one) for _ in range(shape[1])], axis=1)
    return x if c.small_integers else x + 0.1 * c.normal(shape)


def _room_at_the_kink(x: Array, weight: Array, bias: Array, eps: float, segments: int) -> float:
    """Return how far batch norm's results stay away from 0, where the activation has its kink."""
    parts = x.reshape(segments, -1, *x.shape[1:])
    axes, column = (1, *range(3, parts.ndim)), (1, 1, -1, *[1] * (parts.ndim - 3))
    d = parts - parts.mean(axis=axes, keepdims=True)
    x_hat = d / np.sqrt((d * d).mean(axis=axes, keepdims=True) + eps)
    return float(abs(x_hat * weight.reshape(column) + bias.reshape(column)).min(initial=np.inf))


# Equal samples have variance 0, where eps alone holds the derivatives: x is not broadcast.
@family("batch_norm", kernels=("batch_norm_stats", "batch_norm", "batch_norm_vjp"), broadcast=False)
def _batch_norm(c: Choices) -> Drawn:
    n, channels, rest = c.extent(4), c.extent(3), c.shape(c.integer(0, 2), 3)
    if n * math.prod(rest) < 2:
        n = 2
    eps, segments = c.pick(1e-5, 1e-3, 0.1), c.pick(1, 1, 1, 2, 3)
    # one after the other and not at once: values are half a unit apart within a segment alone
    parts = [spread(c, (n, channels, *rest)) for _ in range(segments)]
    x, weight, bias = np.concatenate(parts), c.normal((channels,)), c.normal((channels,))
    slope = c.pick(1.0, 0.0, 0.2)
    if slope != 1 and _room_at_the_kink(x, weight, bias, eps, segments) < 0.05:
        slope = 1.0  # differences would step over the kink
    return Drawn(
        lambda x, weight, bias: ops.batch_norm(
            x, weight, bias, eps=eps, negative_slope=slope, segments=segments
        ),
        [x, weight, bias],
    )


@family("batch_norm_eval")
def _batch_norm_eval(c: Choices) -> Drawn:
    channels = c.extent(3, zero=True)
    shape = (c.extent(3, zero=True), channels, *c.shape(c.integer(0, 2), 3, zero=True))
    eps, per_channel = c.pick(1e-5, 1e-3, 0.1), (channels,)
    statistics = [c.normal(per_channel), c.positive(per_channel)]
    affine = [c.normal(per_channel), c.normal(per_channel)]
    return Drawn(
        lambda *xs: ops.batch_norm_eval(*xs, eps=eps), [c.normal(shape), *statistics, *affine]
    )


@family("spectral_norm", kernels=("spectral_norm", "spectral_norm_vjp"))
def _spectral_norm(c: Choices) -> Drawn:
    shape = c.shape(c.integer(2, 4), 3)
    sign = c.pick(1.0, -1.0)
    # all of one sign: sigma = u^T W v, which w is divided by, is far from 0
    w, u = c.positive(shape), c.positive(shape[:1])
    return Drawn(ops.spectral_norm, [w * sign, u, c.positive((math.prod(shape[1:]),))])
