"""Reference of bias_act: ``y = clip(act(x + b) * gain, -clamp, clamp)``.

At a kink the derivative is PyTorch's: 0 for relu and the slope for leaky_relu, prelu and elu at
exactly 0; clamp passes the cotangent inside the range and on its ends. Large arguments overflow
nowhere: exponentials only ever see values <= 0.

The fusion is that of StyleGAN's ``bias_act`` (arXiv:1912.04958, appendix B). Deviation: ``gain``
has no default that depends on the activation.
"""

from __future__ import annotations

from typing import Any

from ..arrays import Array, check_cotangent, empty_like, xp_of
from ..registry import register_reference
from .spec import channel_axis, channel_shape, check_operands


@register_reference("bias_act")
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
    """Add a bias to each channel, apply the activation, multiply by gain and clamp.

    Shapes: x (N, C, ...) or (C,), b (C,), slope (C,) or (1,) (prelu only) -> as x, laid out as x.

    Args:
        x: input.
        b: bias, or None for none.
        slope: slope of prelu on the negative side.
        act: one of ``spec.ACTS``.
        alpha: slope of leaky_relu, or the alpha of elu; the others ignore it.
        gain: factor after the activation.
        clamp: bound on the magnitude of y, or None for none.
    """
    check_operands("bias_act", x, b, slope, act)
    t, a = _biased(x, b), _slope(x, slope, alpha)
    value = _value(t, a, act) * gain
    y = empty_like(x)
    y[...] = value if clamp is None else xp_of(x).clip(value, -clamp, clamp)
    return y


@register_reference("bias_act_vjp", accumulate="float64")
def bias_act_vjp(
    x: Array,
    *rest: Any,
    act: str,
    alpha: float = 0.0,
    gain: float = 1.0,
    clamp: float | None = None,
) -> tuple[Array | None, ...]:
    """Return the cotangents of (x), (x, b) or (x, b, slope), as many as were given.

    Called as ``bias_act_vjp(x, gy)``, ``bias_act_vjp(x, b, gy)`` or
    ``bias_act_vjp(x, b, slope, gy)``; b may be None, and its cotangent is None then.
    ``gx = gy * gain * act'(x + b)`` where the clamp did not cut; ``gb`` is the sum of gx over all
    axes but the channel's; ``gslope`` the sum of ``gy * gain * min(x + b, 0)``.

    Shapes: as ``bias_act``, and gy as x.
    """
    *operands, gy = rest
    b, slope = [*operands, None, None][:2]
    check_operands("bias_act_vjp", x, b, slope, act)
    check_cotangent("bias_act_vjp", gy, x.shape, x.dtype)
    xp, t, a = xp_of(x), _biased(x, b), _slope(x, slope, alpha)
    g = gy * gain
    if clamp is not None:
        g = xp.where(abs(_value(t, a, act) * gain) <= clamp, g, xp.zeros_like(g))
    gx = empty_like(x)
    gx[...] = g * _derivative(t, a, act)
    cotangents: list[Array | None] = [gx]
    if operands:
        cotangents.append(None if b is None else _channel_sum(gx, b))
    if slope is not None:
        cotangents.append(_channel_sum(g * xp.minimum(t, 0), slope))
    return tuple(cotangents)


def _biased(x: Array, b: Array | None) -> Array:
    return x if b is None else x + b.reshape(channel_shape(x))


def _slope(x: Array, slope: Array | None, alpha: float) -> Array | float:
    return alpha if slope is None else slope.reshape(channel_shape(x))


def _value(t: Array, a: Array | float, act: str) -> Any:
    xp = xp_of(t)
    if act == "linear":
        return t
    if act == "relu":
        return xp.maximum(t, 0)
    if act in ("leaky_relu", "prelu"):
        return xp.where(t > 0, t, t * a)
    if act == "elu":
        return xp.where(t > 0, t, xp.expm1(xp.minimum(t, 0)) * a)
    if act == "tanh":
        return xp.tanh(t)
    if act == "softplus":
        return xp.maximum(t, 0) + xp.log1p(xp.exp(-abs(t)))
    return _sigmoid(t) if act == "sigmoid" else t * _sigmoid(t)  # the latter is swish


def _derivative(t: Array, a: Array | float, act: str) -> Any:
    xp = xp_of(t)
    one = xp.ones_like(t)
    if act == "linear":
        return one
    if act == "relu":
        return xp.where(t <= 0, 0 * one, one)
    if act in ("leaky_relu", "prelu"):
        return xp.where(t > 0, one, one * a)
    if act == "elu":
        return xp.where(t > 0, one, xp.exp(xp.minimum(t, 0)) * a)
    if act == "tanh":
        return 1 - xp.tanh(t) ** 2
    if act == "softplus":
        return _sigmoid(t)
    s, s_flipped = _sigmoid(t), _sigmoid(-t)  # 1 - s would lose the tail
    return s * s_flipped if act == "sigmoid" else s * (1 + t * s_flipped)


def _sigmoid(t: Array) -> Any:
    xp = xp_of(t)
    e = xp.exp(-abs(t))  # in (0, 1]: never overflows
    return xp.where(t >= 0, 1 / (1 + e), e / (1 + e))


def _channel_sum(g: Array, like: Array) -> Array:
    """Sum over all axes but the channel's (that one too where ``like`` is (1,)), in float64."""
    xp, keep = xp_of(g), channel_axis(g)
    axes = tuple(axis for axis in range(g.ndim) if axis != keep)
    total = g.sum(axis=axes, dtype=xp.float64)
    if like.shape != total.shape:
        total = total.sum(keepdims=True)
    out: Array = total.astype(like.dtype)
    return out
