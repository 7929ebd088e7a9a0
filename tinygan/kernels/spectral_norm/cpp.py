"""C++ spectral normalisation (csrc/spectral_norm): matrix-vector products with sums in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent
from ..native import native
from ..reduce.rows import c_order, cpp_refusal
from ..registry import register
from .spec import check_operands, check_steps

_native: Any = native


def _supports(*arrays: Array, steps: int = 1, eps: float = 0.0) -> str | None:
    return cpp_refusal(*arrays)


@register("spectral_norm", "cpp", "gemv", supports=_supports, accumulate="float64")
def spectral_norm(w: Array, u: Array, v: Array) -> Array:
    """Divide w by ``u^T W v``; see the reference."""
    check_operands("spectral_norm", w, u, v)
    matrix = _matrix(w)
    y = np.empty(matrix.shape, w.dtype)
    _native.spectral_norm(matrix, c_order(u), c_order(v), y)
    return y.reshape(w.shape)


@register("spectral_norm_vjp", "cpp", "gemv", supports=_supports, accumulate="float64")
def spectral_norm_vjp(w: Array, u: Array, v: Array, gy: Array) -> tuple[Array, Array, Array]:
    """Return the cotangents of w, u and v; see the reference."""
    check_operands("spectral_norm_vjp", w, u, v)
    check_cotangent("spectral_norm_vjp", gy, w.shape, w.dtype)
    matrix = _matrix(w)
    gw, gu, gv = (np.empty(a.shape, w.dtype) for a in (matrix, u, v))
    _native.spectral_norm_vjp(matrix, c_order(u), c_order(v), _matrix(gy), gw, gu, gv)
    return gw.reshape(w.shape), gu, gv


@register("power_iteration", "cpp", "gemv", supports=_supports, accumulate="float64")
def power_iteration(w: Array, u: Array, *, steps: int, eps: float) -> tuple[Array, Array]:
    """Return new (u, v) after ``steps`` rounds; see the reference."""
    check_operands("power_iteration", w, u)
    check_steps(steps)
    matrix = _matrix(w)
    new_u, new_v = np.array(u, order="C"), np.empty(matrix.shape[1], w.dtype)
    _native.power_iteration(matrix, steps, eps, new_u, new_v)
    return new_u, new_v


def _matrix(w: Array) -> Array:
    return c_order(w).reshape(w.shape[0], -1)
