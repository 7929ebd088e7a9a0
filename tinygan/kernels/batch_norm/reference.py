"""Reference of batch normalisation and the piecewise linear activation after it.

    t = weight * (x - mean) / sqrt(var + eps) + bias        y = t > 0 ? t : negative_slope * t

x holds one or several batches, its *segments*, one after the other along axis 0. mean and biased
var, (segments, C), are those of each over all axes but the channel axis 1; ``batch_norm_stats``
takes them. They and all arithmetic are float64 whatever the dtype of x: NumPy sums an NHWC float32
array row by row and would lose digits. Source: arXiv:1502.03167, algorithm 1.
"""

from __future__ import annotations

from ..arrays import Array, check_cotangent, empty_like, xp_of
from ..registry import register_reference
from .spec import check_operands, check_segments, check_statistics, segment


@register_reference("batch_norm_stats", accumulate="float64")
def batch_norm_stats(x: Array, *, segments: int = 1) -> tuple[Array, Array]:
    """Return mean and biased variance of each channel of each segment, in float64.

    Shapes: x (N, C, ...) -> (segments, C), (segments, C).
    Differentiable: no (``batch_norm_vjp`` goes through them all the same).
    """
    check_segments("batch_norm_stats", x, segments)
    return _moments(segment(x, segments))


@register_reference("batch_norm", accumulate="float64")
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
    """Normalise each channel by the statistics of its segment, scale and shift it, activate.

    Shapes: x (N, C, ...), weight and bias (C,), mean and var (segments, C) -> as x, laid out so.
    """
    check_operands("batch_norm", x, weight, bias)
    check_statistics("batch_norm", x, mean, var)
    x_hat, _ = _normalise(x, mean, var, eps)
    t = x_hat * _column(weight, x) + _column(bias, x)
    y = empty_like(x)
    segment(y, len(mean))[...] = _activate(t, negative_slope)
    return y


@register_reference("batch_norm_vjp", accumulate="float64")
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
    """Return the cotangents of x, weight and bias, mean and var being functions of x.

    With x_hat the normalised x, g = act'(t) * gy, and mean(.) over all axes but the channel's:
    ``gx = weight / std * (g - mean(g) - x_hat * mean(g * x_hat))``,
    ``gweight = sum(g * x_hat)``, ``gbias = sum(g)``.

    Shapes: x and gy (N, C, ...), weight and bias (C,), mean and var (segments, C) -> as x, weight,
    bias.
    """
    check_operands("batch_norm_vjp", x, weight, bias)
    check_cotangent("batch_norm_vjp", gy, x.shape, x.dtype)
    check_statistics("batch_norm_vjp", x, mean, var)
    x_hat, inv_std = _normalise(x, mean, var, eps)
    w, axes = _column(weight, x), (1, *range(3, x.ndim + 1))
    g = segment(gy, len(mean)) * _slope(x_hat * w + _column(bias, x), negative_slope)
    g_sum, gx_hat_sum = g.sum(axis=axes, keepdims=True), (g * x_hat).sum(axis=axes, keepdims=True)
    count = max(x.size // max(mean.size, 1), 1)
    gx = empty_like(x)
    segment(gx, len(mean))[...] = (w * inv_std) * (g - g_sum / count - x_hat * (gx_hat_sum / count))
    gweight, gbias = (total.sum(axis=0).reshape(-1) for total in (gx_hat_sum, g_sum))
    return gx, gweight.astype(x.dtype), gbias.astype(x.dtype)


def _moments(x: Array) -> tuple[Array, Array]:
    """Return mean and var of x (segments, N, C, ...), both (segments, C)."""
    xp, axes = xp_of(x), (1, *range(3, x.ndim))
    mean = x.mean(axis=axes, dtype=xp.float64)
    centred = x - mean.reshape(_row(x, len(x)))
    return mean, (centred * centred).mean(axis=axes)


def _normalise(x: Array, mean: Array, var: Array, eps: float) -> tuple[Array, Array]:
    """Return x_hat (segments, N, C, ...) and 1 / sqrt(var + eps), which broadcasts against it."""
    parts = segment(x, len(mean))
    inv_std = (1 / xp_of(x).sqrt(var + eps)).reshape(_row(parts, len(mean)))
    return (parts - mean.reshape(inv_std.shape)) * inv_std, inv_std


def _row(x: Array, segments: int) -> tuple[int, ...]:
    """Return (segments, 1, C, 1, ...), in which statistics broadcast against segmented x."""
    return (segments, 1, x.shape[2]) + (1,) * (x.ndim - 3)


def _column(a: Array, x: Array) -> Array:
    """Return weight or bias in float64, in a shape that broadcasts against segmented x."""
    return a.astype("float64").reshape((1, 1, x.shape[1]) + (1,) * (x.ndim - 2))


def _activate(t: Array, negative_slope: float) -> Array:
    xp = xp_of(t)
    y: Array = xp.maximum(t, 0) if negative_slope == 0 else xp.where(t > 0, t, t * negative_slope)
    return y


def _slope(t: Array, negative_slope: float) -> Array:
    """Return the derivative of the activation: 1 where t > 0, else the slope."""
    slope: Array = xp_of(t).where(t > 0, 1.0, negative_slope)
    return slope
