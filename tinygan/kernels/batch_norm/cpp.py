"""C++ batch normalisation (csrc/batch_norm): two passes over memory, all sums in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent
from ..native import native
from ..reduce.rows import as_rows, c_order, cpp_refusal, empty_rows
from ..registry import register
from .spec import check_operands

_native: Any = native


def _supports(*arrays: Array, eps: float = 0.0) -> str | None:
    return cpp_refusal(*arrays)


@register("batch_norm_stats", "cpp", "two_pass", supports=_supports, accumulate="float64")
def batch_norm_stats(x: Array) -> tuple[Array, Array]:
    """Return mean and biased variance of each channel; see the reference."""
    check_operands("batch_norm_stats", x)
    mean, var = np.empty((2, x.shape[1]), x.dtype)
    _native.batch_norm_stats(as_rows(x), mean, var)
    return mean, var


@register("batch_norm", "cpp", "two_pass", supports=_supports, accumulate="float64")
def batch_norm(x: Array, weight: Array, bias: Array, *, eps: float) -> Array:
    """Normalise, scale and shift; see the reference. The output is channels last."""
    check_operands("batch_norm", x, weight, bias)
    rows, y = empty_rows(x.shape, x.dtype)
    _native.batch_norm(as_rows(x), c_order(weight), c_order(bias), eps, rows)
    return y


@register("batch_norm_vjp", "cpp", "two_pass", supports=_supports, accumulate="float64")
def batch_norm_vjp(
    x: Array, weight: Array, bias: Array, gy: Array, *, eps: float
) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, weight and bias; see the reference. gx is channels last."""
    check_operands("batch_norm_vjp", x, weight, bias)
    check_cotangent("batch_norm_vjp", x, gy)
    rows, gx = empty_rows(x.shape, x.dtype)
    gweight, gbias = np.empty((2, x.shape[1]), x.dtype)
    _native.batch_norm_vjp(as_rows(x), c_order(weight), as_rows(gy), eps, rows, gweight, gbias)
    return gx, gweight, gbias
