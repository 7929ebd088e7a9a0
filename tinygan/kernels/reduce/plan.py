"""How an array of any memory order is reduced over axes: as (outer, middle, inner), the middle one.

Axes are taken in the order in which they lie in memory, and neighbours that are reduced alike are
merged. What remains must read (outer, middle, inner) with the middle one reduced; that covers rows,
columns, everything, and the channel statistics of an NHWC array.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from ..arrays import Array, Shape
from .spec import reduced_shape

KINDS = ("sum", "max", "min")


@dataclass(frozen=True, slots=True)
class Plan:
    """How one kind of array is reduced.

    Attributes:
        order: axes from the widest stride to the narrowest.
        extents: (outer, middle, inner) of the array in that order; the middle is reduced.
        kept: extents of the axes that stay, in that order.
        back: permutation of these into the order of the array's axes.
        shape: of the result.
    """

    order: tuple[int, ...]
    extents: tuple[int, int, int]
    kept: Shape
    back: tuple[int, ...]
    shape: Shape


@functools.lru_cache(maxsize=4096)
def plan(shape: Shape, strides: Shape, axes: tuple[int, ...], keepdims: bool) -> Plan | None:
    """Return the plan, or None if the reduced axes do not lie side by side in memory."""
    order = sorted(range(len(shape)), key=lambda axis: -abs(strides[axis]))
    extents = _collapse(shape, order, set(axes))
    if extents is None:
        return None
    kept = [a for a in order if a not in axes]
    back = tuple(int(i) for i in np.argsort(kept))
    out = reduced_shape(shape, axes, keepdims)
    return Plan(tuple(order), extents, tuple(shape[a] for a in kept), back, out)


def reduction_refusal(x: Array, axis: tuple[int, ...]) -> str | None:
    """Return why the kernels can't reduce x over these axes, or None."""
    if not x.ndim:
        return None
    axes = tuple(a % x.ndim for a in axis)
    if not axes:
        return "takes at least one axis to reduce"
    if plan(x.shape, x.strides, axes, False) is None:
        return "takes axes that lie side by side in memory"
    return None


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
