"""What operands layer_norm takes, checked in one place for every kernel written in Python."""

from __future__ import annotations

from ...errors import DtypeError, ShapeError
from ..arrays import Array


def check_operands(op: str, x: Array, weight: Array, bias: Array) -> None:
    """Raise unless weight and bias are shaped as the last axes of x, which hold a value.

    Raises:
        ShapeError: a shape does not fit, or there is no value to average.
        DtypeError: the operands differ in dtype.
    """
    for a in (weight, bias):
        if not a.ndim or a.ndim > x.ndim or a.shape != x.shape[x.ndim - a.ndim :]:
            raise ShapeError(
                f"{op}: weight {weight.shape} and bias {bias.shape} must be shaped as the last "
                f"axes of x {x.shape}"
            )
        if a.dtype != x.dtype:
            raise DtypeError(f"{op}: x is {x.dtype}, an operand is {a.dtype}; they must agree")
    if weight.shape != bias.shape:
        raise ShapeError(f"{op}: weight {weight.shape} and bias {bias.shape} must agree")
    if not weight.size:
        raise ShapeError(f"{op}: x {x.shape} has no value to average in {weight.shape}")
