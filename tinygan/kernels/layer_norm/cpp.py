"""C++ layer normalisation (csrc/layer_norm): two passes over memory, all sums in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent
from ..native import native
from ..reduce.rows import cpp_refusal
from ..registry import register
from .matrix import Rows
from .spec import check_operands

_native: Any = native


def _supports(*arrays: Array, eps: float) -> str | None:
    return cpp_refusal(*arrays)


@register("layer_norm", "cpp", "two_pass", supports=_supports, accumulate="float64")
def layer_norm(x: Array, weight: Array, bias: Array, *, eps: float) -> Array:
    """Normalise, scale and shift; see the reference."""
    check_operands("layer_norm", x, weight, bias)
    rows = Rows.of(x, weight)
    y, out = rows.empty(x.dtype)
    _native.layer_norm(rows.matrix(x), rows.vector(weight), rows.vector(bias), eps, out)
    return y


@register("layer_norm_vjp", "cpp", "two_pass", supports=_supports, accumulate="float64")
def layer_norm_vjp(
    x: Array, weight: Array, bias: Array, gy: Array, *, eps: float
) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, weight and bias; see the reference."""
    check_operands("layer_norm_vjp", x, weight, bias)
    check_cotangent("layer_norm_vjp", gy, x.shape, x.dtype)
    rows = Rows.of(x, weight)
    gx, out = rows.empty(x.dtype)
    gweight, gbias = np.empty((2, weight.size), x.dtype)
    operands = rows.matrix(x), rows.vector(weight), rows.matrix(gy)
    _native.layer_norm_vjp(*operands, eps, out, gweight, gbias)
    return gx, rows.from_vector(gweight), rows.from_vector(gbias)
