"""Reductions and softmaxes: any axes, negative ones, none or all of them, kept or dropped."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ... import ops
from ...kernels.arrays import Shape
from ..choices import Choices
from .table import Drawn, family


class _Over(NamedTuple):
    """A shape, the axes of it to reduce, and the keywords that say so."""

    shape: Shape
    axes: tuple[int, ...]
    params: dict[str, Any]

    @property
    def joined(self) -> int:
        """Return how many entries meet in one result."""
        return math.prod(self.shape[a] for a in self.axes)


def _over(c: Choices, *, empty: bool = False) -> _Over:
    """Choose axes to reduce; they may be empty if the op is defined on no entries."""
    shape = c.shape(c.integer(0, 4), 3, zero=True)
    ndim = len(shape)
    form = c.pick("all", "one", "some") if ndim else "all"
    axes = tuple(range(ndim))
    named: int | tuple[int, ...] | None = None
    if form == "one":
        axes = (c.integer(0, ndim - 1),)
        named = _signed(c, axes, ndim)[0]
    elif form == "some":
        axes = tuple(a for a in axes if c.chance(2))  # perhaps none: then nothing is added up
        named = _signed(c, axes, ndim)
    if not empty:
        shape = tuple(max(n, 1) if a in axes else n for a, n in enumerate(shape))
    if c.chance(4):
        return _Over(shape, axes, {"dim": named, "keepdim": c.chance(2)})  # PyTorch's names
    return _Over(shape, axes, {"axis": named, "keepdims": c.chance(2)})


def _signed(c: Choices, axes: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Name some axes from the end, and the last one first."""
    return tuple(a - ndim if c.chance(2) else a for a in reversed(axes))


@family("sum", kernels=("sum",))
def _sum(c: Choices) -> Drawn:
    over = _over(c, empty=True)
    x = c.normal(over.shape)
    if not c.small_integers:  # sums of about 1: tanh, which checks wrap around f, is flat at 9
        x /= np.sqrt(max(over.joined, 1))
    return Drawn(lambda x: ops.sum(x, **over.params), [x])


@family("mean", kernels=("sum",))
def _mean(c: Choices) -> Drawn:
    over = _over(c)
    return Drawn(lambda x: ops.mean(x, **over.params), [c.normal(over.shape)])


@family("var", kernels=("sum",))
def _var(c: Choices) -> Drawn:
    over = _over(c)
    correction = c.integer(0, 1) if over.joined > 1 else 0
    return Drawn(lambda x: ops.var(x, correction=correction, **over.params), [c.normal(over.shape)])


# Equal samples tie, and at a tie the extrema have no derivative: these are not broadcast.
@family("max", kernels=("max",), broadcast=False)
def _max(c: Choices) -> Drawn:
    over = _over(c)
    return Drawn(lambda x: ops.max(x, **over.params), [c.distinct(over.shape)])


@family("min", kernels=("min",), broadcast=False)
def _min(c: Choices) -> Drawn:
    over = _over(c)
    return Drawn(lambda x: ops.min(x, **over.params), [c.distinct(over.shape)])


def _along(c: Choices) -> tuple[Shape, dict[str, Any]]:
    """Choose a shape and one axis of it, which is not empty."""
    shape = c.shape(c.integer(1, 4), 3, zero=True)
    axis = c.integer(0, len(shape) - 1)
    shape = tuple(max(n, 1) if a == axis else n for a, n in enumerate(shape))
    named = axis - len(shape) if c.chance(2) else axis
    return shape, {c.pick("axis", "axis", "dim"): named}


@family("softmax", kernels=("softmax", "softmax_vjp"))
def _softmax(c: Choices) -> Drawn:
    shape, params = _along(c)
    return Drawn(lambda x: ops.softmax(x, **params), [c.normal(shape)])


@family("log_softmax", kernels=("logsumexp", "softmax"))
def _log_softmax(c: Choices) -> Drawn:
    shape, params = _along(c)
    return Drawn(lambda x: ops.log_softmax(x, **params), [c.normal(shape)])


@family("logsumexp", kernels=("logsumexp", "softmax"))
def _logsumexp(c: Choices) -> Drawn:
    shape, params = _along(c)
    keepdims = c.chance(2)
    return Drawn(lambda x: ops.logsumexp(x, keepdims=keepdims, **params), [c.normal(shape)])
