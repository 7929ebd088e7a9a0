"""Launchers of the C++ matrix product in csrc/matmul: two matrices, at any strides, and a bias."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, aligned, two_floats_refusal
from ..native import native, why_not
from ..reduce.rows import c_order
from ..registry import register
from .spec import check_linear

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
    _native.matmul(aligned(a), aligned(b), None, y)
    return y


def _supports_linear(x: Array, w: Array, b: Array) -> str | None:
    if b.dtype != x.dtype:
        return f"takes a bias of x's dtype {x.dtype}, got {b.dtype}"
    return _supports(x, w)


@register("linear", "cpp", "tiles", supports=_supports_linear, exact=True)
def linear(x: Array, w: Array, b: Array) -> Array:
    """Return x w^T + b. Shapes: x (M, K), w (N, K), b (N,) -> (M, N), C order."""
    check_linear(x, w, b)
    y = np.empty((x.shape[0], w.shape[0]), x.dtype)
    _native.matmul(aligned(x), aligned(w).T, c_order(b), y)
    return y
