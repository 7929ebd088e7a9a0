"""What operands attention takes, checked in one place for every kernel in Python."""

from __future__ import annotations

from ...errors import DtypeError, ShapeError
from ..arrays import Array


def check_operands(op: str, q: Array, k: Array, v: Array) -> None:
    """Raise unless q (..., L, E), k (..., S, E) and v (..., S, F) fit, with S and E at least 1.

    Raises:
        ShapeError: a shape does not fit the others; leading axes are equal, none is broadcast.
        DtypeError: the operands differ in dtype.
    """
    fits = q.ndim >= 2 and q.ndim == k.ndim == v.ndim
    fits = fits and q.shape[:-2] == k.shape[:-2] == v.shape[:-2]
    if not fits or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2] or 0 in k.shape[-2:]:
        raise ShapeError(
            f"{op}: q {q.shape}, k {k.shape}, v {v.shape} do not fit (..., L, E), (..., S, E), "
            "(..., S, F) with S and E at least 1"
        )
    if not q.dtype == k.dtype == v.dtype:
        raise DtypeError(f"{op}: {q.dtype}, {k.dtype}, {v.dtype} differ; one fits")
