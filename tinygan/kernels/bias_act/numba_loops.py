"""The loops of ``numba_cpu.py``, compiled when this module is imported and they are first called.

Piecewise linear activations run in a loop of their own, which LLVM turns into vector code; the
others call the scalar functions. A loop does the blocks ``first`` .. ``last`` of the rows.
"""

from __future__ import annotations

import math

from ..arrays import Array
from ..numba_pool import jit
from .spec import ACTS

_LINEAR, _RELU, _LEAKY_RELU, _PRELU, _ELU, _TANH, _SIGMOID, _SOFTPLUS, _SWISH = range(len(ACTS))


@jit
def _sigmoid(t: float) -> float:
    e = math.exp(-abs(t))  # in (0, 1]: never overflows
    return (1 if t >= 0 else e) / (1 + e)


@jit
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


@jit
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


@jit
def forward(
    x: Array,
    b: Array,
    a: Array,
    act: int,
    gain: float,
    clamp: float,
    block: int,
    y: Array,
    first: int,
    last: int,
) -> None:
    """Write y = clip(act(x + b) * gain); rows are (rows, C), b and the slope a are (C,)."""
    rows, channels = x.shape
    relu, zero = act == _RELU, 0 * gain
    for k in range(first, last):
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


@jit
def _straight_row(
    x: Array,
    b: Array,
    a: Array,
    gy: Array,
    relu: bool,
    gain: float,
    clamp: float,
    gx: Array,
    gslope: Array,
) -> None:
    """Do one row of ``backward`` for a piecewise linear activation."""
    zero = 0 * gain
    for c in range(len(x)):
        t, g = x[c] + b[c], gy[c] * gain
        v = (t if t > 0 else (zero if relu and t <= 0 else t * a[c])) * gain
        g = g if clamp < 0 or abs(v) <= clamp else zero
        gx[c] = g if t > 0 or (relu and t != t) else g * a[c]
        gslope[c] += g * (zero if t > 0 else t)  # a NaN of g shows, whatever t


@jit
def _curved_row(
    x: Array, b: Array, a: Array, gy: Array, act: int, gain: float, clamp: float, gx: Array
) -> None:
    """Do one row of ``backward`` for another activation."""
    for c in range(len(x)):
        t, g = x[c] + b[c], gy[c] * gain
        if clamp >= 0 and not abs(_value(t, a[c], act) * gain) <= clamp:
            g = 0 * gain
        gx[c] = g * _derivative(t, a[c], act)


@jit
def backward(
    x: Array,
    b: Array,
    a: Array,
    gy: Array,
    act: int,
    gain: float,
    clamp: float,
    block: int,
    gx: Array,
    sums: Array,
    first: int,
    last: int,
) -> None:
    """Write gx, and add to ``sums`` (blocks, 2, C) the partial sums of gb and gslope."""
    rows, channels = x.shape
    for k in range(first, last):
        gb, gslope = sums[k, 0], sums[k, 1]
        for r in range(k * block, min(rows, (k + 1) * block)):
            row = x[r], b, a, gy[r]
            if act <= _PRELU:
                _straight_row(*row, act == _RELU, gain, clamp, gx[r], gslope)
            else:
                _curved_row(*row, act, gain, clamp, gx[r])
            for c in range(channels):
                gb[c] += gx[r, c]
