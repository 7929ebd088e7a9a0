"""References of softmax and logsumexp: everything is taken relative to the largest entry.

exp(x - m) with m the largest entry lies in (0, 1], so that nothing overflows, and the sum is at
least 1, so that nothing is divided by 0. Where m is infinite, 0 stands in for it: then the
definition's own infinities and NaN come out.
"""

from __future__ import annotations

from typing import Any

from ..arrays import Array, check_cotangent, xp_of
from ..registry import register_reference
from .spec import check_axis


@register_reference("softmax")
def softmax(x: Array, *, axis: int) -> Array:
    """exp(x) / sum exp(x) along the axis.

    Shapes: x (any) -> as x.
    """
    e, _ = _shifted_exp("softmax", x, axis)
    y: Array = e / e.sum(axis=axis, keepdims=True)
    return y


@register_reference("softmax_vjp")
def softmax_vjp(y: Array, gy: Array, *, axis: int) -> Array:
    """Return the cotangent of x, ``y * (gy - sum(gy * y))``, y being softmax(x).

    Linear in gy, and its own adjoint there: the derivative of softmax is a symmetric matrix.

    Shapes: y (any), gy as y -> as y.
    """
    check_axis("softmax_vjp", y, axis)
    check_cotangent("softmax_vjp", gy, y.shape, y.dtype)
    gx: Array = y * (gy - (gy * y).sum(axis=axis, keepdims=True))
    return gx


@register_reference("logsumexp")
def logsumexp(x: Array, *, axis: int) -> Array:
    """Log of sum exp(x) along the axis, which stays with extent 1.

    Shapes: x (any) -> x with extent 1 along the axis.
    """
    e, m = _shifted_exp("logsumexp", x, axis)
    y: Array = xp_of(x).log(e.sum(axis=axis, keepdims=True)) + m
    return y


def _shifted_exp(op: str, x: Array, axis: int) -> tuple[Any, Any]:
    """Return exp(x - m) and m, the maximum along the axis (0 where it is infinite)."""
    check_axis(op, x, axis)
    xp = xp_of(x)
    m = x.max(axis=axis, keepdims=True)
    m = xp.where(xp.isfinite(m), m, x.dtype.type(0))
    return xp.exp(x - m), m
