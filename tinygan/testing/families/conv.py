"""Convolutions: kernels of 1 to 7, any stride and dilation, groups, rectangles, batches of one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ... import ops
from ...kernels.arrays import Array
from ..choices import Choices
from .table import Drawn, family

_KERNELS = ("conv2d", "conv2d_dgrad", "conv2d_wgrad", "bias_act", "sum")
_SPREAD = (*_KERNELS, "upfirdn2d")


class _Axis(NamedTuple):
    """A convolution along one axis; ``size`` is the length of its larger side."""

    kernel: int
    stride: int
    padding: int
    dilation: int
    size: int
    out: int

    @property
    def leftover(self) -> int:
        """Return how much of the larger side no step of the stride reaches: output_padding."""
        reach = (self.out - 1) * self.stride + self.dilation * (self.kernel - 1) + 1
        return self.size + 2 * self.padding - reach


def conv_axis(c: Choices, widest: int = 7) -> _Axis:
    """Choose a convolution along one axis, with at most ``widest`` taps."""
    kernel = min(c.pick(1, 2, 3, 3, 4, 4, 5, 6, 7), widest)
    stride = c.integer(1, 4)  # beyond the kernel too
    dilation = c.pick(1, 1, 1, 2, 3) if kernel <= 3 else 1
    padding = c.integer(0, kernel // 2 + 1)
    out, leftover = c.integer(1, 3), c.integer(0, stride - 1)
    size = (out - 1) * stride + dilation * (kernel - 1) + 1 + leftover - 2 * padding
    while size < 1:
        size, out = size + stride, out + 1
    return _Axis(kernel, stride, padding, dilation, size, out)


def conv_channels(c: Choices) -> tuple[int, int, int]:
    """Choose groups, and the channels of a group on both sides, rarely none."""
    groups = c.pick(1, 1, 1, 2, 3)
    return groups, c.extent(3, zero=True), c.extent(3, zero=True)


@family("conv2d", kernels=_KERNELS)
def _conv2d(c: Choices) -> Drawn:
    h, w = conv_axis(c), conv_axis(c)
    groups, inner, outer = conv_channels(c)
    n = c.extent(2, zero=True)
    params: dict[str, Any] = {
        "stride": (h.stride, w.stride),
        "padding": (h.padding, w.padding),
        "dilation": (h.dilation, w.dilation),
        "groups": groups,
    }
    return Drawn(
        lambda x, weight, bias: ops.conv2d(x, weight, bias, **params),
        [
            c.image(n, groups * inner, h.size, w.size),
            conv_filters(c, (groups * outer, inner, h.kernel, w.kernel)),
            c.normal((groups * outer,)),
        ],
    )


@family("conv_transpose2d", kernels=_KERNELS)
def _conv_transpose2d(c: Choices) -> Drawn:
    h, w = conv_axis(c), conv_axis(c)
    groups, inner, outer = conv_channels(c)
    n = c.extent(2, zero=True)
    params: dict[str, Any] = {
        "stride": (h.stride, w.stride),
        "padding": (h.padding, w.padding),
        "output_padding": (h.leftover, w.leftover),
        "dilation": (h.dilation, w.dilation),
        "groups": groups,
    }
    return Drawn(
        lambda x, weight, bias: ops.conv_transpose2d(x, weight, bias, **params),
        [
            c.image(n, groups * inner, h.out, w.out),
            conv_filters(c, (groups * inner, outer, h.kernel, w.kernel)),
            c.normal((groups * outer,)),
        ],
    )


def conv_filters(c: Choices, shape: tuple[int, ...]) -> Array:
    """Draw filters whose outputs are about as large as their inputs (integers stay as they are)."""
    w = c.normal(shape)
    return w if c.small_integers else w / np.sqrt(max(math.prod(shape[1:]), 1))


@family("upsample_conv2d", kernels=_SPREAD)
def _upsample_conv2d(c: Choices) -> Drawn:
    return _resampled(c, ops.upsample_conv2d, 1)


@family("conv2d_avg_pool", kernels=_SPREAD)
def _conv2d_avg_pool(c: Choices) -> Drawn:
    return _resampled(c, ops.conv2d_avg_pool, 2)


def _resampled(c: Choices, op: Callable[..., Any], least: int) -> Drawn:
    """Draw images of odd and even sides, the smallest that the op takes among them."""
    n, inner, outer = c.extent(2, zero=True), c.extent(3), c.extent(3)
    h, w = c.integer(least, 5), c.integer(least, 5)
    weight, bias = conv_filters(c, (outer, inner, 3, 3)), c.normal((outer,))
    if c.chance(3):
        return Drawn(op, [c.image(n, inner, h, w), weight])
    return Drawn(op, [c.image(n, inner, h, w), weight, bias])
