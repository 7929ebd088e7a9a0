"""CUDA batch normalisation (csrc/batch_norm/batch_norm.cu): float64 sums, float32 elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent, xp_of
from ..cuda import launch, register_cuda
from ..cuda.segments import int_refusal, moments, segment_plan
from ..reduce.rows import as_rows, c_order, empty_rows
from .spec import check_operands, check_segments, check_statistics, statistics_refusal


def _supports(x: Array, *arrays: Array, **_: Any) -> str | None:
    return int_refusal(x, *arrays[:-2]) or statistics_refusal(*arrays[-2:])  # mean, var come last


@register_cuda("batch_norm_stats", "blocks", supports=_supports, accumulate="float64")
def batch_norm_stats(x: Array, *, segments: int = 1) -> tuple[Array, Array]:
    """Return mean and biased variance of each channel and segment; see the reference."""
    check_segments("batch_norm_stats", x, segments)
    channels = x.shape[1]
    return moments(as_rows(x), segment_plan(x.size, segments, channels), channels)


@register_cuda("batch_norm", "one_pass", supports=_supports, accumulate="float64")
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
    rows, y = empty_rows(x.shape, np.dtype(x.dtype), xp=xp_of(x))
    launch(
        "batch_norm",
        x=as_rows(x),
        y=rows,
        **_operands(weight, bias, mean, var),
        **segment_plan(x.size, len(mean), x.shape[1]).sizes,
        **_channels(x, eps, negative_slope),
    )
    return y


@register_cuda("batch_norm_vjp", "two_pass", supports=_supports, accumulate="float64")
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
    xp, channels = xp_of(x), x.shape[1]
    plan = segment_plan(x.size, len(mean), channels)
    rows, gx = empty_rows(x.shape, np.dtype(x.dtype), xp=xp)
    shared = {
        "x": as_rows(x),
        "gy": as_rows(gy),
        **_operands(weight, bias, mean, var),
        **plan.sizes,
        **_channels(x, eps, negative_slope),
    }
    partial, means = plan.partial(xp, 2), xp.empty((plan.segments, 2, channels), "f4")
    gweight, gbias = (xp.empty(channels, "f4") for _ in range(2))
    launch("batch_norm_vjp_sums", partial=partial, **shared)
    launch(
        "batch_norm_vjp_totals",
        partial=partial,
        weight=shared["weight"],
        means=means,
        gweight=gweight,
        gbias=gbias,
        segments=plan.segments,
        n=plan.n,
        channels=channels,
        width=plan.width,
        blocks=plan.blocks,
    )
    launch("batch_norm_vjp", means=means, gx=rows, **shared)
    return gx, gweight, gbias


def _operands(weight: Array, bias: Array, mean: Array, var: Array) -> dict[str, Array]:
    named = {"weight": weight, "bias": bias, "mean": mean, "var": var}
    return {name: c_order(a) for name, a in named.items()}


def _channels(x: Array, eps: float, negative_slope: float) -> dict[str, Any]:
    """Return the scalars of a batch norm, in which every channel is a group."""
    channels = x.shape[1]
    return {"channels": channels, "groups": channels, "eps": eps, "negative_slope": negative_slope}
