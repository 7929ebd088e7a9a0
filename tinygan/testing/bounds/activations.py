"""Activations and GAN losses, by running error analysis."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...kernels.arrays import Array
from ...kernels.bias_act.spec import channel_axis, channel_shape
from .running import Machine, Running, either, errors, select
from .table import Errors, bound


def _sigmoid(t: Running) -> Running:
    e = (-abs(t)).apply(np.exp)
    return select(t, 1.0 / (1.0 + e), e / (1.0 + e))


def _act(t: Running, a: Running, act: str) -> Running:
    if act == "relu":
        return t.at_least(0.0)
    if act in ("leaky_relu", "prelu"):
        return select(t, t, t * a)
    if act == "elu":
        return select(t, t, t.at_most(0.0).apply(np.expm1) * a)
    if act == "tanh":
        return t.apply(np.tanh)
    if act == "softplus":
        return t.at_least(0.0) + (-abs(t)).apply(np.exp).apply(np.log1p)
    if act == "sigmoid":
        return _sigmoid(t)
    return t * _sigmoid(t) if act == "swish" else t


def _slope_of(t: Running, a: Running, act: str) -> Running:
    m = t.machine
    one, zero = m.given(np.ones_like(t.value)), m.given(np.zeros_like(t.value))
    if act == "relu":
        return select(t, one, zero)
    if act in ("leaky_relu", "prelu"):
        return select(t, one, one * a)
    if act == "elu":
        return select(t, one, t.at_most(0.0).apply(np.exp) * a)
    if act == "tanh":
        y, e = t.apply(np.tanh), (abs(t) * -2.0).apply(np.exp)
        return either(1.0 - y * y, e * 4.0 / ((1.0 + e) * (1.0 + e)))
    if act == "softplus":
        return _sigmoid(t)
    s, flipped = _sigmoid(t), _sigmoid(-t)
    if act == "sigmoid":
        return s * flipped
    return s * (1.0 + t * flipped) if act == "swish" else one


def _biased(
    m: Machine, x: Array, b: Array | None, slope: Array | None, alpha: float
) -> tuple[Running, Running]:
    """Return x + b, whose sign is that of the exact sum, and the slope below 0."""
    exact = x if b is None else x + b.reshape(channel_shape(x))
    t = m.given(exact) if b is None else m.rounded(exact, 0.0, tiny=False)
    a = m.constant(alpha) if slope is None else m.given(slope.reshape(channel_shape(x)))
    return t, a


@bound("bias_act")
def _bias_act(
    m: Machine,
    x: Array,
    b: Array | None = None,
    slope: Array | None = None,
    *,
    act: str,
    alpha: float = 0.0,
    gain: float = 1.0,
    clamp: float | None = None,
) -> Errors:
    y = _act(*_biased(m, x, b, slope, alpha), act) * gain
    return errors(y if clamp is None else y.at_most(clamp).at_least(-clamp))


@bound("bias_act_vjp")
def _bias_act_vjp(
    m: Machine,
    x: Array,
    *rest: Any,
    act: str,
    alpha: float = 0.0,
    gain: float = 1.0,
    clamp: float | None = None,
) -> Errors:
    *operands, gy = rest
    b, slope = [*operands, None, None][:2]
    t, a = _biased(m, x, b, slope, alpha)
    g = m.given(gy) * gain
    if clamp is not None:  # where the output lies at the bound within its error, g or 0 is right
        inside = clamp - abs(_act(t, a, act) * gain)
        g = select(inside, g, select(-inside, m.given(0 * gy), g))
    gx = g * _slope_of(t, a, act)
    found: list[Running | None] = [gx]
    if operands:
        found.append(None if b is None else _channel_sum(gx, b))
    if slope is not None:
        found.append(_channel_sum(g * t.at_most(0.0), slope))
    return errors(*found)


def _channel_sum(g: Running, like: Array) -> Running:
    keep = channel_axis(g.value)
    total = g.sum(tuple(axis for axis in range(g.value.ndim) if axis != keep))
    return total if like.shape == total.value.shape else total.sum(keepdims=True)


@bound("gan_loss")
def _gan_loss(m: Machine, logit: Array, *, kind: str, target: float) -> Errors:
    x = m.given(logit)
    if kind == "logistic":
        tail = (-abs(x)).apply(np.exp).apply(np.log1p)
        phi = x.at_least(0.0) - target * x + tail
    elif kind == "hinge":
        phi = (1.0 - target * x).at_least(0.0)
    else:
        phi = -target * x if kind == "wasserstein" else (x - target) * (x - target) / 2.0
    return errors(phi.mean())


@bound("gan_loss_vjp")
def _gan_loss_vjp(m: Machine, logit: Array, gy: Array, *, kind: str, target: float) -> Errors:
    x = m.given(logit)
    minus = m.given(np.ones_like(logit)) * -target
    if kind == "logistic":
        e = (-abs(x)).apply(np.exp)
        tail = e / (1.0 + e)
        slope = select(x, (1.0 - m.constant(target)) - tail, tail - target)
    elif kind == "hinge":
        slope = select(1.0 - target * x, minus, m.given(np.zeros_like(logit)))
    else:
        slope = minus if kind == "wasserstein" else x - target
    return errors(slope * (m.given(gy) / float(logit.size)))
