"""Reference of batch normalisation: ``y = weight * (x - mean) / sqrt(var + eps) + bias``.

Mean and biased variance run over all axes but the channel axis 1. Statistics and arithmetic are
carried in float64 whatever the dtype of x: NumPy sums an NHWC float32 array row by row and would
lose digits. Source: arXiv:1502.03167, algorithm 1.
"""

from __future__ import annotations

from ..arrays import Array, check_cotangent, empty_like, xp_of
from ..registry import register_reference
from .spec import channel_shape, check_operands, other_axes


@register_reference("batch_norm_stats", accumulate="float64")
def batch_norm_stats(x: Array) -> tuple[Array, Array]:
    """Return mean and biased variance of each channel.

    Shapes: x (N, C, ...) -> (C,), (C,).
    Differentiable: no (it feeds the running statistics).
    """
    check_operands("batch_norm_stats", x)
    mean, var = _moments(x)
    return mean.astype(x.dtype), var.astype(x.dtype)


@register_reference("batch_norm", accumulate="float64")
def batch_norm(x: Array, weight: Array, bias: Array, *, eps: float) -> Array:
    """Normalise each channel by its statistics in this batch, then scale and shift it.

    Shapes: x (N, C, ...), weight (C,), bias (C,) -> (N, C, ...), laid out as x.
    """
    check_operands("batch_norm", x, weight, bias)
    x_hat, _ = _normalise(x, eps)
    y = empty_like(x)
    y[...] = x_hat * weight.reshape(channel_shape(x)) + bias.reshape(channel_shape(x))
    return y


@register_reference("batch_norm_vjp", accumulate="float64")
def batch_norm_vjp(
    x: Array, weight: Array, bias: Array, gy: Array, *, eps: float
) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, weight and bias.

    With x_hat the normalised x, and mean(.) over all axes but the channel's:
    ``gx = weight / std * (gy - mean(gy) - x_hat * mean(gy * x_hat))``,
    ``gweight = sum(gy * x_hat)``, ``gbias = sum(gy)``.

    Shapes: x (N, C, ...), weight (C,), bias (C,), gy (N, C, ...) -> as x, weight, bias.
    """
    check_operands("batch_norm_vjp", x, weight, bias)
    check_cotangent("batch_norm_vjp", x, gy)
    xp, axes, shape = xp_of(x), other_axes(x), channel_shape(x)
    x_hat, inv_std = _normalise(x, eps)
    gbias = gy.sum(axis=axes, dtype=xp.float64)
    gweight = (gy * x_hat).sum(axis=axes)
    count = max(x.size // max(x.shape[1], 1), 1)
    gx = empty_like(x)
    gx[...] = (weight.reshape(shape) * inv_std) * (
        gy - gbias.reshape(shape) / count - x_hat * (gweight.reshape(shape) / count)
    )
    return gx, gweight.astype(x.dtype), gbias.astype(x.dtype)


def _moments(x: Array) -> tuple[Array, Array]:
    xp, axes = xp_of(x), other_axes(x)
    mean = x.mean(axis=axes, dtype=xp.float64)
    centred = x - mean.reshape(channel_shape(x))
    return mean, (centred * centred).mean(axis=axes)


def _normalise(x: Array, eps: float) -> tuple[Array, Array]:
    """Return x_hat and 1 / sqrt(var + eps), both float64 and shaped to broadcast."""
    mean, var = (m.reshape(channel_shape(x)) for m in _moments(x))
    inv_std = 1 / xp_of(x).sqrt(var + eps)
    return (x - mean) * inv_std, inv_std
