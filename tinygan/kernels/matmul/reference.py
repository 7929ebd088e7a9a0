"""The matrix product and the dense layer: NumPy's and CuPy's, by BLAS. See README.md."""

from __future__ import annotations

from ..arrays import Array, xp_of
from ..registry import register_reference
from .spec import check_linear


@register_reference("matmul", exact=True, deterministic=False)  # BLAS: other bits on other threads
def matmul(a: Array, b: Array) -> Array:
    """Multiply matrices; leading axes broadcast.

    Shapes: a (..., M, K), b (..., K, N) -> (..., M, N).
    """
    y: Array = xp_of(a).matmul(a, b)
    return y


@register_reference("linear", exact=True, deterministic=False)
def linear(x: Array, w: Array, b: Array) -> Array:
    """Return x w^T + b. Shapes: x (M, K), w (N, K), b (N,) -> (M, N)."""
    check_linear(x, w, b)
    y: Array = xp_of(x).matmul(x, w.T) + b
    return y
