"""What operands spectral_norm takes, checked in one place for every kernel in Python."""

from __future__ import annotations

from ...errors import DtypeError, OptionError, ShapeError
from ..arrays import Array

MAX_STEPS = 1_000_000  # as in csrc/spectral_norm/bind.cpp: nobody can interrupt them


def check_operands(op: str, w: Array, u: Array, v: Array | None = None) -> None:
    """Raise unless u is (O,) and v is (K,) for w seen as the matrix (O, K).

    Raises:
        ShapeError: w has fewer than two axes or no element, or u or v does not fit it.
        DtypeError: the operands differ in dtype.
    """
    if w.ndim < 2 or not w.size:
        raise ShapeError(f"{op}: w must be (O, ...) with at least one element, got {w.shape}")
    rows, columns = w.shape[0], w.size // w.shape[0]
    for name, a, extent in (("u", u, rows), ("v", v, columns)):
        if a is None:
            continue
        if a.shape != (extent,):
            raise ShapeError(f"{op}: {name} must be ({extent},) for w {w.shape}, got {a.shape}")
        if a.dtype != w.dtype:
            raise DtypeError(f"{op}: w is {w.dtype}, {name} is {a.dtype}; they must agree")


def check_steps(steps: int) -> None:
    """Raise unless steps is 1 to ``MAX_STEPS``.

    Raises:
        OptionError: steps is below 1, so that v would never be computed, or beyond all sense.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise OptionError(f"power_iteration: steps must be 1 to {MAX_STEPS}, got {steps}")
