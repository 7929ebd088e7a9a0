"""Launcher of the C++ matrix product in csrc/matmul: two matrices, at any strides."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, aligned, two_floats_refusal
from ..native import native, why_not
from ..registry import register

_native: Any = native


def _supports(a: Array, b: Array) -> str | None:
    if native is None:
        return f"C++ kernels {why_not()}"
    if a.ndim == b.ndim == 2:
        return two_floats_refusal(a, b)
    return two_floats_refusal(a, b) or f"takes two matrices, got {a.ndim} and {b.ndim} axes"


@register("matmul", "cpp", "tiles", supports=_supports, exact=True)
def matmul(a: Array, b: Array) -> Array:
    """Multiply two matrices. Shapes: a (M, K), b (K, N) -> (M, N), C order."""
    y = np.empty((a.shape[0], b.shape[1]), a.dtype)
    _native.matmul(aligned(a), aligned(b), y)
    return y
