"""What operands batch_norm takes, checked in one place for every kernel written in Python."""

from __future__ import annotations

from ...errors import DtypeError, ShapeError
from ..arrays import Array, Shape


def check_operands(op: str, x: Array, *channel_operands: Array) -> None:
    """Raise unless x is (N, C, ...) with at least one value a channel and the rest are (C,).

    Raises:
        ShapeError: x has fewer than two axes or no value to average, or an operand is not (C,).
        DtypeError: the operands differ in dtype.
    """
    check_vectors(op, x, *channel_operands)
    if x.shape[1] and not x.size:
        raise ShapeError(f"{op}: x {x.shape} has no value to average in a channel")


def check_vectors(op: str, x: Array, *channel_operands: Array) -> None:
    """Raise unless x is (N, C, ...) and the rest are (C,).

    Raises:
        ShapeError: x has fewer than two axes, or an operand is not (C,).
        DtypeError: the operands differ in dtype.
    """
    if x.ndim < 2:
        raise ShapeError(f"{op}: x must be (N, C, ...), got {x.shape}")
    for a in channel_operands:
        if a.shape != (x.shape[1],):
            raise ShapeError(
                f"{op}: weight and bias must be ({x.shape[1]},) for x {x.shape}, got {a.shape}"
            )
        if a.dtype != x.dtype:
            raise DtypeError(f"{op}: x is {x.dtype}, an operand is {a.dtype}; they must agree")


def channel_shape(x: Array) -> Shape:
    """Return (1, C, 1, ...), the shape in which a (C,) array broadcasts against x."""
    return (1, x.shape[1]) + (1,) * (x.ndim - 2)


def other_axes(x: Array) -> tuple[int, ...]:
    """Return every axis of x but the channel axis."""
    return (0, *range(2, x.ndim))
