"""An array as the rows of a matrix that run along one axis, and back.

The axis becomes the last one and the others keep their order in memory, so that a channels-last
image is read as it lies where the softmax runs over its channels; other layouts are copied.
"""

from __future__ import annotations

from ..arrays import Array
from ..reduce.rows import c_order


def order_of(x: Array, axis: int) -> tuple[int, ...]:
    """Return the axes from the widest stride to the narrowest, the given one last."""
    if axis == x.ndim - 1 and x.flags.c_contiguous:
        return tuple(range(x.ndim))
    strides = x.strides
    return (*sorted((a for a in range(x.ndim) if a != axis), key=lambda a: -abs(strides[a])), axis)


def as_matrix(x: Array, order: tuple[int, ...]) -> Array:
    """Return x as (rows, width)."""
    return c_order(x.transpose(order)).reshape(-1, x.shape[order[-1]])


def back(rows: Array, x: Array, order: tuple[int, ...], width: int) -> Array:
    """Return (rows, width) in the shape of x, whose last axis in this order has this extent."""
    shape = (*(x.shape[a] for a in order[:-1]), width)
    places = sorted(range(x.ndim), key=order.__getitem__)
    return rows.reshape(shape).transpose(places)
