"""The axis of a softmax, checked in one place for every kernel in Python."""

from __future__ import annotations

from ...errors import ShapeError
from ..arrays import Array


def check_axis(op: str, x: Array, axis: int) -> int:
    """Return the axis counted from 0.

    Raises:
        ShapeError: x has no such axis, or no element along it.
    """
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"{op}: x {x.shape} has no axis {axis}")
    if not x.shape[axis]:
        raise ShapeError(f"{op}: x {x.shape} has no element along axis {axis}")
    return axis % x.ndim
