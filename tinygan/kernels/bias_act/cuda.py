"""CUDA bias_act (csrc/bias_act/bias_act.cu): one pass, sums over rows in a fixed order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent, empty_like, is_channels_last, xp_of
from ..cuda import launch, register_cuda
from ..cuda.columns import column_plan
from ..reduce.rows import as_rows, c_order, empty_rows
from .spec import ACTS, channel_axis, check_operands


@register_cuda("bias_act", "one_pass")
def bias_act(
    x: Array,
    b: Array | None = None,
    slope: Array | None = None,
    *,
    act: str,
    alpha: float = 0.0,
    gain: float = 1.0,
    clamp: float | None = None,
) -> Array:
    """Add a bias, apply the activation, multiply by gain and clamp; see the reference."""
    check_operands("bias_act", x, b, slope, act)
    rows, y, (x_rows,) = _rows(x, b, slope, x)
    options = _options(act, alpha, gain, clamp)
    launch(
        "bias_act",
        x=x_rows,
        **_operands(b, slope, x_rows.shape[1]),
        y=rows,
        n=x.size,
        channels=x_rows.shape[1],
        **options,
    )
    return y


@register_cuda("bias_act_vjp", "one_pass")
def bias_act_vjp(
    x: Array,
    *rest: Any,
    act: str,
    alpha: float = 0.0,
    gain: float = 1.0,
    clamp: float | None = None,
) -> tuple[Array | None, ...]:
    """Return the cotangents of (x), (x, b) or (x, b, slope); see the reference."""
    *operands, gy = rest
    b, slope = [*operands, None, None][:2]
    check_operands("bias_act_vjp", x, b, slope, act)
    check_cotangent("bias_act_vjp", gy, x.shape, x.dtype)
    rows, gx, (x_rows, gy_rows) = _rows(x, b, slope, x, gy)
    xp, plan = xp_of(x), column_plan(x.size, x_rows.shape[1])
    partial = [None if a is None else plan.partial(xp) for a in (b, slope)]
    launch(
        "bias_act_vjp",
        x=x_rows,
        **_operands(b, slope, plan.channels),
        gy=gy_rows,
        gx=rows,
        gb_partial=partial[0],
        gslope_partial=partial[1],
        n=x.size,
        channels=plan.channels,
        width=plan.width,
        rows_a_block=plan.rows_a_block,
        **_options(act, alpha, gain, clamp),
    )
    gb, gslope = (None if p is None else plan.total(xp, p) for p in partial)
    if slope is not None and gslope is not None and slope.shape != gslope.shape:
        gslope = gslope.sum(keepdims=True)
    return (gx, gb, gslope)[: len(operands) + 1]


def _options(act: str, alpha: float, gain: float, clamp: float | None) -> dict[str, Any]:
    negative_for_none = -1.0 if clamp is None else clamp
    return {"act": ACTS.index(act), "alpha": alpha, "gain": gain, "clamp": negative_for_none}


def _operands(b: Array | None, slope: Array | None, channels: int) -> dict[str, Array | None]:
    """Return bias and slope of every channel: a (1,) slope is repeated."""
    if slope is not None and slope.shape != (channels,):
        slope = slope.repeat(channels)
    return {"b": None if b is None else c_order(b), "a": None if slope is None else c_order(slope)}


def _rows(
    x: Array, b: Array | None, slope: Array | None, *ins: Array
) -> tuple[Array, Array, list[Array]]:
    """Return the output as rows, its view shaped as x, and the inputs as rows."""
    if b is not None or slope is not None:
        axis = channel_axis(x)
        rows, y = empty_rows(x.shape, np.dtype(x.dtype), axis, xp=xp_of(x))
        return rows, y, [as_rows(a, axis) for a in ins]
    y = empty_like(x)  # no channels: any dense order will do, and rows of four make float4
    flat = [a.transpose(0, 2, 3, 1) for a in (y, *ins)] if _is_nhwc(x) else [y, *ins]
    width = 4 if x.size % 4 == 0 else 1
    rows, *ins_flat = [c_order(a).reshape(-1, width) for a in flat]
    return rows, y, ins_flat


def _is_nhwc(x: Array) -> bool:
    return x.ndim == 4 and is_channels_last(x)
