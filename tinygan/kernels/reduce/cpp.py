"""C++ sum, max and min (csrc/reduce): sums in float64, in blocks of a fixed order.

Axes are taken in the order in which they lie in memory, and neighbours that are reduced alike are
merged. What remains must read (outer, middle, inner) with the middle one reduced; that covers rows,
columns, everything, and the channel statistics of an NHWC array.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array, Shape
from ..native import native
from ..registry import register
from .rows import c_order, cpp_refusal
from .spec import check_axes, reduced_shape

_native: Any = native

KINDS = ("sum", "max", "min")


def _supports(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> str | None:
    refusal = cpp_refusal(x)
    if refusal or not x.ndim:
        return refusal
    reduced = {a % x.ndim for a in axis}
    if not reduced:
        return "takes at least one axis to reduce"
    if _collapse(x.shape, _memory_order(x), reduced) is None:
        return "takes axes that lie side by side in memory"
    return None


def _memory_order(x: Array) -> list[int]:
    """Return the axes from the widest stride to the narrowest."""
    return sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))


def _collapse(shape: Shape, order: list[int], reduced: set[int]) -> tuple[int, int, int] | None:
    """Return (outer, middle, inner) with the middle reduced, or None if it takes more groups."""
    groups: list[tuple[bool, int]] = []
    for axis in order:
        if shape[axis] == 1:
            continue
        if groups and groups[-1][0] == (axis in reduced):
            groups[-1] = (groups[-1][0], groups[-1][1] * shape[axis])
        else:
            groups.append((axis in reduced, shape[axis]))
    if sum(is_reduced for is_reduced, _ in groups) > 1:
        return None
    middle = next((i for i, (is_reduced, _) in enumerate(groups) if is_reduced), len(groups))
    extents = [extent for _, extent in groups]
    outer, inner = math.prod(extents[:middle]), math.prod(extents[middle + 1 :])
    return outer, math.prod(extents[middle : middle + 1]), inner


def _reduce(kind: str, x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    axes = check_axes(kind, x, axis, identity=kind == "sum")
    order = _memory_order(x)
    extents = _collapse(x.shape, order, set(axes)) or (1, 1, 1)  # supports() has seen to it
    y = np.empty((extents[0], extents[2]), x.dtype)
    _native.reduce(c_order(x.transpose(order)).reshape(extents), KINDS.index(kind), y)
    kept = [a for a in order if a not in axes]
    ordered = y.reshape([x.shape[a] for a in kept]).transpose(np.argsort(kept))
    return ordered.reshape(reduced_shape(x.shape, axes, keepdims))


@register("sum", "cpp", "blocks", supports=_supports, accumulate="float64", exact=True)
def sum_(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Add up x over the axes; see the reference."""
    return _reduce("sum", x, axis, keepdims)


@register("max", "cpp", "blocks", supports=_supports, exact=True)
def max_(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Return the largest element over the axes; see the reference."""
    return _reduce("max", x, axis, keepdims)


@register("min", "cpp", "blocks", supports=_supports, exact=True)
def min_(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Return the smallest element over the axes; see the reference."""
    return _reduce("min", x, axis, keepdims)
