"""Launcher of the C++ matrix product in csrc/matmul: two matrices, at any strides."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, aligned
from ..native import native, why_not
from ..registry import register

_native: Any = native
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _supports(a: Array, b: Array) -> str | None:
    if native is None:
        return f"C++ kernels {why_not()}"
    if a.dtype != b.dtype or a.dtype not in _FLOATS:
        return f"takes two float32 or two float64 arrays, got {a.dtype} and {b.dtype}"
    if a.ndim != 2 or b.ndim != 2:
        return f"takes two matrices, got {a.ndim} and {b.ndim} axes"
    return None


@register("matmul", "cpp", "tiles", supports=_supports, exact=True)
def matmul(a: Array, b: Array) -> Array:
    """Multiply two matrices. Shapes: a (M, K), b (K, N) -> (M, N), C order."""
    y = np.empty((a.shape[0], b.shape[1]), a.dtype)
    _native.matmul(aligned(a), aligned(b), y)
    return y
