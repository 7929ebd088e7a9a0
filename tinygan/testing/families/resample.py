"""Pooling with gaps, overlaps and padding, and pixel shuffles."""

from __future__ import annotations

from typing import Any, NamedTuple

from ... import ops
from ..choices import Choices
from .table import Drawn, family


class _Window(NamedTuple):
    """Pooling along one axis of length ``size``."""

    kernel: int
    stride: int
    padding: int
    size: int


def _window(c: Choices) -> _Window:
    kernel, stride = c.pick(1, 2, 2, 3, 3), c.integer(1, 4)
    padding = c.integer(0, kernel // 2)
    out, leftover = c.pick(1, 2, 2, 3), c.integer(0, stride - 1)  # what no window reaches
    size = (out - 1) * stride + kernel + leftover - 2 * padding
    return _Window(kernel, stride, padding, max(size, 1))


def _pooling(c: Choices) -> tuple[tuple[int, int], dict[str, Any]]:
    """Choose the pixels of an image, and the arguments of a pooling that fits them."""
    h = _window(c)
    if c.chance(3):  # one number for both axes, and the stride that follows from it
        fits = max(h.size, h.kernel)
        return (fits, fits + c.integer(0, 2)), {"kernel_size": h.kernel}
    w = _window(c)
    pairs = {"stride": (h.stride, w.stride), "padding": (h.padding, w.padding)}
    return (h.size, w.size), {"kernel_size": (h.kernel, w.kernel), **pairs}


@family("avg_pool2d", kernels=("avg_pool2d", "avg_pool2d_adjoint"))
def _avg_pool2d(c: Choices) -> Drawn:
    pixels, params = _pooling(c)
    counted = c.chance(2)
    x = c.normal((*c.shape(2, 2, zero=True), *pixels))
    return Drawn(lambda x: ops.avg_pool2d(x, count_include_pad=counted, **params), [x])


# Equal samples don't tie, as a window lies within one: x may be broadcast.
@family("max_pool2d", kernels=("max_pool2d", "gather2d", "scatter2d"))
def _max_pool2d(c: Choices) -> Drawn:
    (h, w), params = _pooling(c)
    x = c.distinct((*c.shape(2, 2, zero=True), h, w))
    return Drawn(lambda x: ops.max_pool2d(x, **params), [x])


@family("pixel_shuffle", kernels=("pixel_shuffle", "pixel_unshuffle"))
def _pixel_shuffle(c: Choices) -> Drawn:
    r = c.pick(1, 2, 2, 3)
    n, channels, h, w = c.shape(4, 3, zero=True)
    x = c.image(n, channels * r * r, h, w)
    return Drawn(lambda x: ops.pixel_shuffle(x, r), [x])


@family("pixel_unshuffle", kernels=("pixel_unshuffle", "pixel_shuffle"))
def _pixel_unshuffle(c: Choices) -> Drawn:
    r = c.pick(1, 2, 2, 3)
    n, channels, h, w = c.shape(4, 2, zero=True)
    x = c.image(n, channels, r * h, r * w)
    return Drawn(lambda x: ops.pixel_unshuffle(x, r), [x])
