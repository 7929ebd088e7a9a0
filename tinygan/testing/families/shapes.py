"""Ops that move entries about: shapes, orders of axes, padding and joining."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import ops
from ...autograd import Tensor
from ...kernels.arrays import Shape
from ..choices import Choices
from .elementwise import any_shape, stretchable
from .table import Drawn, family


def from_either_end(c: Choices, axis: int, ndim: int) -> int:
    """Name an axis by a number that may be negative."""
    return axis - ndim if c.chance(2) else axis


def an_axis(c: Choices, ndim: int) -> int:
    """Choose an axis of several."""
    return from_either_end(c, c.integer(0, ndim - 1), ndim)


def _some_axes(c: Choices, ndim: int) -> Any:
    """Choose one axis, or a tuple of axes."""
    if c.chance(2) and ndim:
        return an_axis(c, ndim)
    return tuple(from_either_end(c, a, ndim) for a in range(ndim) if c.chance(2))


@family("reshape")
def _reshape(c: Choices) -> Drawn:
    shape = any_shape(c)
    left = math.prod(shape)
    wanted: list[int] = []
    for _ in range(c.integer(0, 3)):
        divisors = [n for n in range(1, left + 1) if left % n == 0]
        wanted.append(c.pick(*divisors, *[0] * (left == 0)))
        left //= wanted[-1] or 1
    wanted.append(left)
    if left and c.chance(2):
        wanted[c.integer(0, len(wanted) - 1)] = -1
    if c.chance(2):
        return Drawn(lambda x: ops.reshape(x, *wanted), [c.normal(shape)])
    return Drawn(lambda x: ops.reshape(x, tuple(wanted)), [c.normal(shape)])


@family("flatten")
def _flatten(c: Choices) -> Drawn:
    shape = any_shape(c)
    if not shape:
        return Drawn(ops.flatten, [c.normal(shape)])
    first = c.integer(0, len(shape) - 1)
    last = from_either_end(c, c.integer(first, len(shape) - 1), len(shape))
    first = from_either_end(c, first, len(shape))
    return Drawn(lambda x: ops.flatten(x, first, last), [c.normal(shape)])


@family("squeeze")
def _squeeze(c: Choices) -> Drawn:
    shape = tuple(1 if c.chance(2) else n for n in any_shape(c))
    if c.chance(3):
        return Drawn(ops.squeeze, [c.normal(shape)])
    axes = _some_axes(c, len(shape))
    return Drawn(lambda x: ops.squeeze(x, axes), [c.normal(shape)])


@family("expand_dims")
def _expand_dims(c: Choices) -> Drawn:
    shape = any_shape(c)
    axis = an_axis(c, len(shape) + 1)
    return Drawn(lambda x: ops.expand_dims(x, axis), [c.normal(shape)])


@family("transpose")
def _transpose(c: Choices) -> Drawn:
    shape = any_shape(c)
    if c.chance(3):
        return Drawn(lambda x: x.T, [c.normal(shape)])
    left = list(range(len(shape)))
    order: list[int] = []
    while left:
        order.append(from_either_end(c, left.pop(c.integer(0, len(left) - 1)), len(shape)))
    return Drawn(lambda x: ops.transpose(x, order), [c.normal(shape)])


@family("broadcast_to")
def _broadcast_to(c: Choices) -> Drawn:
    shape = any_shape(c)
    return Drawn(lambda x: ops.broadcast_to(x, shape), [c.normal(stretchable(c, shape))])


@family("flip")
def _flip(c: Choices) -> Drawn:
    shape = any_shape(c, least=1)
    axes = c.pick(None, _some_axes(c, len(shape)), _some_axes(c, len(shape)))
    return Drawn(lambda x: ops.flip(x, axes), [c.normal(shape)])


@family("pad")
def _pad(c: Choices) -> Drawn:
    shape = any_shape(c)
    widths = [(c.integer(0, 2), c.integer(0, 2)) for _ in shape]
    value = c.pick(0.0, 0.5, -2.0)
    return Drawn(lambda x: ops.pad(x, widths, value=value), [c.normal(shape)])


@family("concatenate")
def _concatenate(c: Choices) -> Drawn:
    shape = any_shape(c, least=1)
    axis = c.integer(0, len(shape) - 1)
    count, named = c.integer(1, 3), from_either_end(c, axis, len(shape))
    twice = c.chance(3)  # one tensor in two places collects both cotangents
    shapes = [(*shape[:axis], c.extent(3, zero=True), *shape[axis + 1 :]) for _ in range(count)]
    return Drawn(
        lambda *xs: ops.concatenate([*xs, *xs[:1]] if twice else xs, named),
        [c.normal(s) for s in shapes],
    )


@family("stack")
def _stack(c: Choices) -> Drawn:
    shape, count = any_shape(c, most=3), c.integer(1, 3)
    params = {c.pick("axis", "dim"): an_axis(c, len(shape) + 1)}
    return Drawn(lambda *xs: ops.stack(xs, **params), [c.normal(shape) for _ in range(count)])


@family("split")
def _split(c: Choices) -> Drawn:
    shape, sections = list(any_shape(c, least=1)), c.integer(1, 3)
    axis = c.integer(0, len(shape) - 1)
    shape[axis] = sections * c.extent(2, zero=True)
    named = from_either_end(c, axis, len(shape))
    return Drawn(lambda x: ops.split(x, sections, named), [c.normal(shape)])


@family("astype")
def _astype(c: Choices) -> Drawn:
    shape = any_shape(c)
    if c.chance(2):
        return Drawn(lambda x: ops.astype(x, np.float64), [c.normal(shape)])
    # integers become floats beside x; the other way there is no derivative
    return Drawn(
        lambda x, i: ops.astype(i, x.dtype) * x, [c.normal(shape), c.integers(shape, -3, 4)]
    )


@family("matmul", kernels=("matmul",))
def _matmul(c: Choices) -> Drawn:
    m, k, n = c.shape(3, 3, zero=True)
    batch = c.shape(c.integer(0, 2), 2, zero=True)
    a: Shape = (k,) if c.chance(5) else (*stretchable(c, batch), m, k)
    b: Shape = (k,) if c.chance(5) else (*stretchable(c, batch), k, n)
    if c.chance(4):
        return Drawn(lambda x, y: (x @ y, _turned(y) @ _turned(x)), [c.normal(a), c.normal(b)])
    return Drawn(ops.matmul, [c.normal(a), c.normal(b)])


@family("linear", kernels=("linear", "matmul", "sum"))
def _linear(c: Choices) -> Drawn:
    m, k, n = c.shape(3, 3, zero=True)
    x: Shape = (*c.shape(c.integer(0, 2), 2, zero=True), m, k) if c.chance(3) else (m, k)
    x = (k,) if c.chance(5) else x
    bias = [] if c.chance(4) else [c.normal((n,))]
    return Drawn(ops.linear, [c.normal(x), c.normal((n, k)), *bias])


def _turned(x: Tensor) -> Tensor:
    """Swap the last two axes, so that matmul meets transposed views."""
    if x.ndim < 2:
        return x
    return ops.transpose(x, *range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
