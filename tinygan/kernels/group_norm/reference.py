"""Reference of group normalisation: ``y = weight * (x - mean) / sqrt(var + eps) + bias``.

Mean and biased variance run over each group of C / num_groups channels of each sample, and over
all axes after the channel axis. Statistics and arithmetic are carried in float64 whatever the dtype
of x. Source: arXiv:1803.08494, equations 1, 2 and 7.
"""

from __future__ import annotations

from typing import Any

from ..arrays import Array, check_cotangent, empty_like, xp_of
from ..batch_norm.spec import channel_shape
from ..registry import register_reference
from .spec import check_groups


@register_reference("group_norm", accumulate="float64")
def group_norm(x: Array, weight: Array, bias: Array, *, num_groups: int, eps: float) -> Array:
    """Normalise each group of channels of each sample, then scale and shift each channel.

    Shapes: x (N, C, ...), weight (C,), bias (C,) -> (N, C, ...), laid out as x.
    """
    check_groups("group_norm", x, weight, bias, num_groups)
    x_hat, _ = _normalise(x, num_groups, eps)
    y = empty_like(x)
    y[...] = x_hat * weight.reshape(channel_shape(x)) + bias.reshape(channel_shape(x))
    return y


@register_reference("group_norm_vjp", accumulate="float64")
def group_norm_vjp(
    x: Array, weight: Array, bias: Array, gy: Array, *, num_groups: int, eps: float
) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, weight and bias.

    With x_hat the normalised x, g = gy * weight its cotangent, and mean(.) over a group:
    ``gx = (g - mean(g) - x_hat * mean(g * x_hat)) / std``,
    ``gweight = sum(gy * x_hat)``, ``gbias = sum(gy)`` over samples and positions.

    Shapes: x (N, C, ...), weight (C,), bias (C,), gy (N, C, ...) -> as x, weight, bias.
    """
    check_groups("group_norm_vjp", x, weight, bias, num_groups)
    check_cotangent("group_norm_vjp", gy, x.shape, x.dtype)
    x_hat, inv_std = _normalise(x, num_groups, eps)
    g = gy.astype(x_hat.dtype) * weight.reshape(channel_shape(x))
    along = _mean(g, num_groups), _mean(g * x_hat, num_groups)
    gx = empty_like(x)
    gx[...] = (g - along[0] - x_hat * along[1]) * inv_std
    others = (0, *range(2, x.ndim))
    gweight = (gy * x_hat).sum(axis=others).astype(x.dtype)
    gbias = gy.sum(axis=others, dtype=x_hat.dtype).astype(x.dtype)
    return gx, gweight, gbias


def _mean(x: Array, num_groups: int) -> Any:
    """Average over each group, in float64, and repeat it to its channels: (N, C, 1, ...)."""
    xp, (n, c) = xp_of(x), x.shape[:2]
    grouped = x.reshape(n, num_groups, c // num_groups, *x.shape[2:])
    mean = grouped.mean(axis=tuple(range(2, grouped.ndim)), dtype=xp.float64)
    return xp.repeat(mean, c // num_groups, axis=1).reshape(n, c, *[1] * (x.ndim - 2))


def _normalise(x: Array, num_groups: int, eps: float) -> tuple[Any, Any]:
    """Return x_hat and 1 / sqrt(var + eps), both float64 and shaped to broadcast."""
    centred = x - _mean(x, num_groups)
    inv_std = 1 / xp_of(x).sqrt(_mean(centred * centred, num_groups) + eps)
    return centred * inv_std, inv_std
