"""Numba bias_act: one pass over memory, for machines without a compiler (``numba_loops.py``).

Sums over rows are carried in float64, one partial sum a block of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent
from ..numba_pool import over, rows_per_block
from ..reduce.rows import as_rows, empty_rows, numba_refusal
from ..registry import register
from .spec import ACTS, channel_axis, check_operands


def _supports(*arrays: Array | None, **_: Any) -> str | None:
    return numba_refusal(*arrays)


def _loops() -> Any:
    from . import numba_loops  # imports Numba: when a kernel runs, and not before

    return numba_loops


def _operands(
    x: Array, b: Array | None, slope: Array | None, alpha: float, act: str
) -> tuple[Array, Array]:
    """Return bias and slope of every channel; linear and relu have the slopes 1 and 0."""
    channels = x.shape[channel_axis(x)] if x.ndim else 1
    full_b, full_slope = np.empty((2, channels), x.dtype)
    full_b[...] = -0.0 if b is None else b  # x + -0 is x, also for -0
    full_slope[...] = {"linear": 1.0, "relu": 0.0}.get(act, alpha) if slope is None else slope
    return full_b, full_slope


def _options(x: Array, gain: float, clamp: float | None) -> tuple[Any, Any]:
    """Return gain and clamp in the dtype of x: Numba would compute in float64 otherwise."""
    return x.dtype.type(gain), x.dtype.type(-1 if clamp is None else clamp)


@register("bias_act", "numba", "one_pass", supports=_supports)
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
    axis = channel_axis(x) if x.ndim else 0
    x_rows = as_rows(x, axis) if x.ndim else x.reshape(1, 1)
    rows, y = empty_rows(x.shape or (1,), x.dtype, axis)
    operands = _operands(x, b, slope, alpha, act)
    options = _options(x, gain, clamp)
    block = rows_per_block(x_rows)
    loop = _loops().forward
    over(-(-len(x_rows) // block), loop, x_rows, *operands, ACTS.index(act), *options, block, rows)
    return y.reshape(()) if not x.ndim else y


@register("bias_act_vjp", "numba", "one_pass", supports=_supports, accumulate="float64")
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
    axis = channel_axis(x) if x.ndim else 0
    x_rows, gy_rows = (as_rows(a, axis) if a.ndim else a.reshape(1, 1) for a in (x, gy))
    rows, gx = empty_rows(x.shape or (1,), x.dtype, axis)
    full = _operands(x, b, slope, alpha, act)
    block = rows_per_block(x_rows)
    options = (ACTS.index(act), *_options(x, gain, clamp), block)
    sums = np.zeros((-(-len(x_rows) // block), 2, x_rows.shape[1]))
    over(len(sums), _loops().backward, x_rows, *full, gy_rows, *options, rows, sums)
    gb, gslope = sums.sum(axis=0)
    if slope is not None and slope.shape != gslope.shape:
        gslope = gslope.sum(keepdims=True)
    cotangents = (
        gx if x.ndim else gx.reshape(()),
        None if b is None else gb.astype(x.dtype),
        None if slope is None else gslope.astype(x.dtype),
    )
    return cotangents[: len(operands) + 1]
