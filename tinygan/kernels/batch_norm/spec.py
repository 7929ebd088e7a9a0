"""What operands batch_norm takes, checked in one place for every kernel written in Python."""

from __future__ import annotations

import numpy as np

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


def check_segments(op: str, x: Array, segments: int) -> None:
    """Raise unless x (N, C, ...) falls into so many equal batches with a value a channel each.

    Raises:
        ShapeError: it does not.
    """
    check_operands(op, x)
    if segments < 1 or x.shape[0] % segments:
        raise ShapeError(f"{op}: x {x.shape} does not fall into {segments} equal batches")


def check_statistics(op: str, x: Array, mean: Array, var: Array) -> None:
    """Raise unless mean and var are (segments, C) float64, in segments that x falls into.

    Raises:
        ShapeError: they don't fit each other or x.
        DtypeError: one of them is not float64.
    """
    segments = len(mean) if mean.ndim == 2 else 0
    if mean.shape != (segments, x.shape[1]) or var.shape != mean.shape:
        raise ShapeError(
            f"{op}: mean {mean.shape} and var {var.shape} must be (segments, {x.shape[1]})"
        )
    if not segments or x.shape[0] % segments:
        raise ShapeError(f"{op}: x {x.shape} does not fall into {segments} equal batches")
    if reason := statistics_refusal(mean, var):
        raise DtypeError(f"{op}: {reason}")


def statistics_refusal(*statistics: Array) -> str | None:
    """Return why these can't be mean and var, which are float64 whatever x is, or None."""
    wrong = [a.dtype for a in statistics if a.dtype != np.float64]
    return f"takes mean and var in float64, got {wrong[0]}" if wrong else None


def segment(x: Array, segments: int) -> Array:
    """Return x (N, C, ...) seen as (segments, N/segments, C, ...), never a copy."""
    return x.reshape(segments, x.shape[0] // segments, *x.shape[1:])


def channel_shape(x: Array) -> Shape:
    """Return (1, C, 1, ...), the shape in which a (C,) array broadcasts against x."""
    return (1, x.shape[1]) + (1,) * (x.ndim - 2)
