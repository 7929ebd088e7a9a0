"""The matrix product: NumPy's and CuPy's, by BLAS. See README.md."""

from __future__ import annotations

from ..arrays import Array, xp_of
from ..registry import register_reference


@register_reference("matmul", exact=True, deterministic=False)  # BLAS: other bits on other threads
def matmul(a: Array, b: Array) -> Array:
    """Multiply matrices; leading axes broadcast.

    Shapes: a (..., M, K), b (..., K, N) -> (..., M, N).
    """
    y: Array = xp_of(a).matmul(a, b)
    return y
