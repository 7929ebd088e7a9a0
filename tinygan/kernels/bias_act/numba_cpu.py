"""Numba bias_act: one pass over memory, for machines without a compiler.

Piecewise linear activations run in a loop of their own, which LLVM turns into vector code; the
others call the scalar functions below. Sums over rows are carried in float64, one partial sum a
block of rows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array
from ..reduce.numba_blocks import compiled, numba_refusal, prange, rows_per_block
from ..reduce.rows import as_rows, empty_rows
from ..registry import register
from .spec import ACTS, channel_axis, check_cotangent, check_operands

_LINEAR, _RELU, _LEAKY_RELU, _PRELU, _ELU, _TANH, _SIGMOID, _SOFTPLUS, _SWISH = range(len(ACTS))


def _supports(*arrays: Array | None, **_: Any) -> str | None:
    return numba_refusal(*arrays)


@compiled(parallel=False)
def _sigmoid(t: float) -> float:
    e = math.exp(-abs(t))  # in (0, 1]: never overflows
    return (1 if t >= 0 else e) / (1 + e)


@compiled(parallel=False)
def _value(t: float, a: float, act: int) -> float:
    """Give the activations that are not piecewise linear; ``t`` itself stands for no other."""
    if act == _ELU:
        return t if t > 0 else math.expm1(t) * a
    if act == _TANH:
        return math.tanh(t)
    if act == _SIGMOID:
        return _sigmoid(t)
    if act == _SOFTPLUS:
        return (0 * a if t <= 0 else t) + math.log1p(math.exp(-abs(t)))
    return t * _sigmoid(t)  # swish


@compiled(parallel=False)
def _derivative(t: float, a: float, act: int) -> float:
    """Give the derivative of ``_value``."""
    if act == _ELU:
        return 1.0 if t > 0 else math.exp(t) * a
    if act == _TANH:
        e = math.exp(-2 * abs(t))
        return 4 * e / (1 + e) ** 2  # 1 / cosh^2: 1 - tanh^2 would lose the tail
    if act == _SIGMOID:
        e = math.exp(-abs(t))
        return e / (1 + e) ** 2
    if act == _SOFTPLUS:
        return _sigmoid(t)
    return _sigmoid(t) * (1 + t * _sigmoid(-t))  # swish


@compiled(parallel=True)
def _forward(
    x: Array, b: Array, a: Array, act: int, gain: float, clamp: float, block: int, y: Array
) -> None:
    rows, channels = x.shape
    relu, zero = act == _RELU, 0 * gain
    for k in prange((rows + block - 1) // block):
        for r in range(k * block, min(rows, (k + 1) * block)):
            if act <= _PRELU:  # a is the slope on the left: this loop becomes vector code
                for c in range(channels):
                    t = x[r, c] + b[c]
                    left = zero if relu and t <= 0 else t * a[c]
                    y[r, c] = (t if t > 0 else left) * gain
            else:
                for c in range(channels):
                    y[r, c] = _value(x[r, c] + b[c], a[c], act) * gain
            if clamp >= 0:  # negative stands for none
                for c in range(channels):
                    v = y[r, c]
                    y[r, c] = clamp if v > clamp else (-clamp if v < -clamp else v)


@compiled(parallel=True)
def _backward(
    x: Array,
    b: Array,
    a: Array,
    gy: Array,
    act: int,
    gain: float,
    clamp: float,
    block: int,
    gx: Array,
) -> Array:
    """Write gx; return (blocks, 2, C), the partial sums of gb and gslope."""
    rows, channels = x.shape
    blocks = (rows + block - 1) // block
    relu, zero = act == _RELU, 0 * gain
    sums = np.zeros((blocks, 2, channels))
    for k in prange(blocks):
        gb, gslope = sums[k, 0], sums[k, 1]
        for r in range(k * block, min(rows, (k + 1) * block)):
            if act <= _PRELU:
                for c in range(channels):
                    t, g = x[r, c] + b[c], gy[r, c] * gain
                    v = (t if t > 0 else (zero if relu and t <= 0 else t * a[c])) * gain
                    g = g if clamp < 0 or abs(v) <= clamp else zero
                    gx[r, c] = g if t > 0 or (relu and t != t) else g * a[c]
                    gslope[c] += zero if t > 0 else g * t
            else:
                for c in range(channels):
                    t, g = x[r, c] + b[c], gy[r, c] * gain
                    if clamp >= 0 and not abs(_value(t, a[c], act) * gain) <= clamp:
                        g = zero
                    gx[r, c] = g * _derivative(t, a[c], act)
            for c in range(channels):
                gb[c] += gx[r, c]
    return sums


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
    _forward(x_rows, *operands, ACTS.index(act), *options, rows_per_block(x_rows), rows)
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
    check_cotangent("bias_act_vjp", x, gy)
    axis = channel_axis(x) if x.ndim else 0
    x_rows, gy_rows = (as_rows(a, axis) if a.ndim else a.reshape(1, 1) for a in (x, gy))
    rows, gx = empty_rows(x.shape or (1,), x.dtype, axis)
    full = _operands(x, b, slope, alpha, act)
    options = (ACTS.index(act), *_options(x, gain, clamp), rows_per_block(x_rows))
    gb, gslope = _backward(x_rows, *full, gy_rows, *options, rows).sum(axis=0)
    if slope is not None and slope.shape != gslope.shape:
        gslope = gslope.sum(keepdims=True)
    cotangents = (
        gx if x.ndim else gx.reshape(()),
        None if b is None else gb.astype(x.dtype),
        None if slope is None else gslope.astype(x.dtype),
    )
    return cotangents[: len(operands) + 1]
