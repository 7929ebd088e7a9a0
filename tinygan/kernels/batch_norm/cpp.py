"""C++ batch normalisation (csrc/batch_norm): few passes over memory, all sums in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent
from ..native import native
from ..reduce.rows import as_rows, c_order, cpp_refusal, empty_rows
from ..registry import register
from .spec import check_operands, check_segments, check_statistics, statistics_refusal

_native: Any = native


def _supports(
    x: Array,
    *arrays: Array,
    eps: float = 0.0,
    negative_slope: float = 1.0,
    segments: int = 1,
) -> str | None:
    return cpp_refusal(x, *arrays[:-2]) or statistics_refusal(
        *arrays[-2:]
    )  # mean and var come last


@register("batch_norm_stats", "cpp", "blocks", supports=_supports, accumulate="float64")
def batch_norm_stats(x: Array, *, segments: int = 1) -> tuple[Array, Array]:
    """Return mean and biased variance of each channel and segment; see the reference."""
    check_segments("batch_norm_stats", x, segments)
    mean, var = np.empty((2, segments, x.shape[1]))
    _native.batch_norm_stats(as_rows(x), mean, var)
    return mean, var


@register("batch_norm", "cpp", "one_pass", supports=_supports, accumulate="float64")
def batch_norm(
    x: Array,
    weight: Array,
    bias: Array,
    mean: Array,
    var: Array,
    *,
    eps: float,
    negative_slope: float = 1.0,
) -> Array:
    """Normalise, scale, shift and activate; see the reference. The output is channels last."""
    check_operands("batch_norm", x, weight, bias)
    check_statistics("batch_norm", x, mean, var)
    rows, y = empty_rows(x.shape, x.dtype)
    operands = [c_order(a) for a in (weight, bias, mean, var)]
    _native.batch_norm(as_rows(x), *operands, eps, negative_slope, rows)
    return y


@register("batch_norm_vjp", "cpp", "two_pass", supports=_supports, accumulate="float64")
def batch_norm_vjp(
    x: Array,
    weight: Array,
    bias: Array,
    gy: Array,
    mean: Array,
    var: Array,
    *,
    eps: float,
    negative_slope: float = 1.0,
) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, weight and bias; see the reference. gx is channels last."""
    check_operands("batch_norm_vjp", x, weight, bias)
    check_cotangent("batch_norm_vjp", gy, x.shape, x.dtype)
    check_statistics("batch_norm_vjp", x, mean, var)
    rows, gx = empty_rows(x.shape, x.dtype)
    gweight, gbias = np.empty((2, x.shape[1]), x.dtype)
    affine, statistics = (c_order(weight), c_order(bias)), (c_order(mean), c_order(var))
    outputs = rows, gweight, gbias
    _native.batch_norm_vjp(
        as_rows(x), *affine, as_rows(gy), *statistics, eps, negative_slope, *outputs
    )
    return gx, gweight, gbias
