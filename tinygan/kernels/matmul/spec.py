"""What operands a dense layer takes, checked in one place for every kernel in Python."""

from __future__ import annotations

from ...errors import ShapeError
from ..arrays import Array


def check_linear(x: Array, w: Array, b: Array) -> None:
    """Raise unless x (M, K), w (N, K) and b (N,) fit each other.

    Raises:
        ShapeError: they don't.
    """
    if x.ndim != 2 or w.ndim != 2 or x.shape[1] != w.shape[1] or b.shape != w.shape[:1]:
        raise ShapeError(
            f"linear: x (M, K), w (N, K) and b (N,) fit, got {x.shape}, {w.shape} and {b.shape}"
        )
