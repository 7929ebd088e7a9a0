"""Indexing: numbers, slices of either sign, None, ..., and arrays of indices and of booleans.

Indices are operands of the case (arrays of integers or booleans), so that they lie where x does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import ops
from ...autograd import Tensor
from ...kernels.arrays import Array, Shape
from ..choices import Choices
from .elementwise import any_shape, stretchable
from .shapes import from_either_end
from .table import Drawn, family


def _basic(c: Choices, n: int) -> Any:
    """Choose a number or a slice for an axis of length ``n``."""
    form = c.pick("all", "slice", "slice", "number") if n else "slice"
    if form == "number":
        return c.integer(-n, n - 1)
    if form == "all":
        return slice(None)
    ends = (None, *range(-n - 1, n + 2))  # beyond the ends too
    return slice(c.pick(*ends), c.pick(*ends), c.pick(None, 1, 2, -1, -2, 3))


def _with_new_axes(c: Choices, parts: list[Any]) -> tuple[Any, ...]:
    """Add None at some places, and once ``...`` for the slices that it may stand for."""
    found = list(parts)
    if c.chance(3):
        at = c.integer(0, len(found))
        kept = found[at:]
        while kept and kept[0] == slice(None):
            kept.pop(0)
        found[at:] = [Ellipsis, *kept]
    for _ in range(c.pick(0, 0, 1, 2)):
        found.insert(c.integer(0, len(found)), None)
    return tuple(found)


@family("getitem")
def _getitem(c: Choices) -> Drawn:
    shape = any_shape(c)
    form = c.pick("basic", "basic", "arrays", "mask", "whole mask")
    if form == "whole mask":
        mask = c.integers(shape, 0, 2).astype(np.bool_)
        return Drawn(lambda x, at: ops.getitem(x, at), [c.normal(shape), mask])
    parts = [_basic(c, n) for n in shape]
    places: list[int] = []
    arrays: list[Array] = []
    if form == "arrays":
        together = c.shape(c.integer(0, 2), 3)  # arrays of indices broadcast together
        for axis, n in enumerate(shape):
            if n and c.chance(2):
                places.append(axis)
                arrays.append(c.integers(stretchable(c, together), -n, n))
    elif form == "mask" and shape:
        places = [c.integer(0, len(shape) - 1)]
        arrays = [c.integers((shape[places[0]],), 0, 2).astype(np.bool_)]
    for k, place in enumerate(places):
        parts[place] = _Operand(k)
    index = _with_new_axes(c, parts)

    def _fn(x: Tensor, *operands: Tensor) -> Tensor:
        return x[tuple(operands[i.place] if isinstance(i, _Operand) else i for i in index)]

    return Drawn(_fn, [c.normal(shape), *arrays])


class _Operand:
    """Stands in an index for the operand of that number."""

    def __init__(self, place: int) -> None:
        self.place = place


@family("take")
def _take(c: Choices) -> Drawn:
    shape = list(any_shape(c, least=1))
    axis = c.integer(0, len(shape) - 1)
    n = shape[axis] = max(shape[axis], 1)
    named = from_either_end(c, axis, len(shape))
    index = c.integers(c.shape(c.integer(0, 2), 3, zero=True), -n, n)  # entries repeat
    return Drawn(lambda x, i: ops.take(x, i, named), [c.normal(shape), index])


@family("gather")
def _gather(c: Choices) -> Drawn:
    shape = list(any_shape(c, least=1))
    axis = c.integer(0, len(shape) - 1)
    n = shape[axis] = max(shape[axis], 1)
    named = from_either_end(c, axis, len(shape))
    others: Shape = tuple(min(m, c.extent(3)) for m in shape)  # the index may cover a part of x
    picked = (*others[:axis], c.extent(4, zero=True), *others[axis + 1 :])
    return Drawn(lambda x, i: ops.gather(x, named, i), [c.normal(shape), c.integers(picked, -n, n)])


@family("embedding")
def _embedding(c: Choices) -> Drawn:
    rows = c.extent(4)
    index = c.integers(c.shape(c.integer(0, 3), 3, zero=True), 0, rows)
    weight = c.normal((rows, c.extent(3, zero=True)))
    return Drawn(lambda i, w: ops.embedding(i, w), [index, weight])
