"""Reference of layer normalisation: ``y = weight * (x - mean) / sqrt(var + eps) + bias``.

Mean and biased variance run over the last axes of x, as many as weight and bias have. Statistics
and arithmetic are carried in float64 whatever the dtype of x. Source: arXiv:1607.06450, equation 3.
"""

from __future__ import annotations

from typing import Any

from ..arrays import Array, check_cotangent, empty_like, xp_of
from ..registry import register_reference
from .spec import check_operands


@register_reference("layer_norm", accumulate="float64")
def layer_norm(x: Array, weight: Array, bias: Array, *, eps: float) -> Array:
    """Normalise over the last axes, then scale and shift each entry of them.

    Shapes: x (..., *S), weight and bias S -> as x, laid out as x.
    """
    check_operands("layer_norm", x, weight, bias)
    x_hat, _ = _normalise(x, weight.ndim, eps)
    y = empty_like(x)
    y[...] = x_hat * weight + bias
    return y


@register_reference("layer_norm_vjp", accumulate="float64")
def layer_norm_vjp(
    x: Array, weight: Array, bias: Array, gy: Array, *, eps: float
) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, weight and bias.

    With x_hat the normalised x, g = gy * weight its cotangent, and mean(.) over the last axes:
    ``gx = (g - mean(g) - x_hat * mean(g * x_hat)) / std``,
    ``gweight = sum(gy * x_hat)``, ``gbias = sum(gy)`` over the other axes.

    Shapes: x (..., *S), weight and bias S, gy as x -> as x, weight, bias.
    """
    check_operands("layer_norm_vjp", x, weight, bias)
    check_cotangent("layer_norm_vjp", gy, x.shape, x.dtype)
    x_hat, inv_std = _normalise(x, weight.ndim, eps)
    g = gy.astype(x_hat.dtype) * weight
    along = _mean(g, weight.ndim), _mean(g * x_hat, weight.ndim)
    gx = empty_like(x)
    gx[...] = (g - along[0] - x_hat * along[1]) * inv_std
    others = tuple(range(x.ndim - weight.ndim))
    gweight = (gy * x_hat).sum(axis=others).astype(x.dtype)
    gbias = gy.sum(axis=others, dtype=x_hat.dtype).astype(x.dtype)
    return gx, gweight, gbias


def _mean(x: Array, axes: int) -> Any:
    """Average over so many last axes, in float64 and kept as axes of extent 1."""
    return x.mean(axis=tuple(range(x.ndim - axes, x.ndim)), dtype=xp_of(x).float64, keepdims=True)


def _normalise(x: Array, axes: int, eps: float) -> tuple[Any, Any]:
    """Return x_hat and 1 / sqrt(var + eps), both float64 and shaped to broadcast."""
    centred = x - _mean(x, axes)
    inv_std = 1 / xp_of(x).sqrt(_mean(centred * centred, axes) + eps)
    return centred * inv_std, inv_std
