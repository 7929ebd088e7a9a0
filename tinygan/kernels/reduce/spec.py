"""The axes that a reduction takes, checked in one place for every kernel in Python."""

from __future__ import annotations

from ...errors import ShapeError
from ..arrays import Array, Shape


def check_axes(op: str, x: Array, axis: tuple[int, ...], *, identity: bool) -> tuple[int, ...]:
    """Return the axes sorted and counted from 0.

    Args:
        op: name for the message.
        x: operand.
        axis: axes to reduce, negative ones counted from the end; () reduces none.
        identity: the reduction has a value for no elements (0 for a sum).

    Raises:
        ShapeError: an axis is out of range or named twice, or the reduction of an empty axis has
            no identity.
    """
    axes = tuple(sorted(a + x.ndim if a < 0 else a for a in axis))
    if any(not 0 <= a < x.ndim for a in axes) or len(set(axes)) < len(axes):
        raise ShapeError(f"{op}: axis {axis} does not fit x {x.shape}")
    if not identity and x.size == 0 and any(x.shape[a] == 0 for a in axes):
        raise ShapeError(f"{op}: x {x.shape} has no element along axis {axis}")
    return axes


def reduced_shape(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    """Return the shape that is left after the axes are reduced."""
    if keepdims:
        return tuple(1 if a in axes else extent for a, extent in enumerate(shape))
    return tuple(extent for a, extent in enumerate(shape) if a not in axes)
