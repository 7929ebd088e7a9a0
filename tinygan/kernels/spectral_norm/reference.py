"""Reference of spectral normalisation: ``y = w / sigma``, ``sigma = u^T W v``.

W is w with all axes but the first flattened. u and v are unit vectors that power iteration keeps
near the first singular pair, so that sigma is near the largest singular value of W.
Source: arXiv:1802.05957, section 2.1 and algorithm 1.
"""

from __future__ import annotations

from ..arrays import Array, check_cotangent, xp_of
from ..registry import register_reference
from .spec import check_operands, check_steps


@register_reference("spectral_norm")
def spectral_norm(w: Array, u: Array, v: Array) -> Array:
    """Divide w by the estimate ``u^T W v`` of its largest singular value.

    Shapes: w (O, ...), u (O,), v (K,) with K = w.size / O -> as w, C order.
    """
    check_operands("spectral_norm", w, u, v)
    matrix = _matrix(w)
    y: Array = matrix / (u @ (matrix @ v))
    return y.reshape(w.shape)


@register_reference("spectral_norm_vjp")
def spectral_norm_vjp(w: Array, u: Array, v: Array, gy: Array) -> tuple[Array, Array, Array]:
    """Return the cotangents of w, u and v, all three taken as independent inputs.

    With ``gsigma = -<gy, W> / sigma^2``: ``gw = gy / sigma + gsigma * u v^T``,
    ``gu = gsigma * W v``, ``gv = gsigma * W^T u``.

    Shapes: w (O, ...), u (O,), v (K,), gy as w -> as w, u, v.
    """
    check_operands("spectral_norm_vjp", w, u, v)
    check_cotangent("spectral_norm_vjp", gy, w.shape, w.dtype)
    matrix, g = _matrix(w), _matrix(gy)
    wv = matrix @ v
    sigma = u @ wv
    g_sigma = -(g * matrix).sum() / (sigma * sigma)
    gw = g / sigma + g_sigma * (u[:, None] * v[None, :])
    return gw.reshape(w.shape), g_sigma * wv, g_sigma * (u @ matrix)


@register_reference("power_iteration")
def power_iteration(w: Array, u: Array, *, steps: int, eps: float) -> tuple[Array, Array]:
    """Return new (u, v) after ``steps`` rounds of v = normalize(W^T u), u = normalize(W v).

    ``normalize(a) = a / max(|a|, eps)``.

    Shapes: w (O, ...), u (O,) -> (O,), (K,) with K = w.size / O.
    Differentiable: no.
    """
    check_operands("power_iteration", w, u)
    check_steps(steps)
    matrix = _matrix(w)
    for _ in range(steps):
        v = _normalize(u @ matrix, eps)
        u = _normalize(matrix @ v, eps)
    return u, v


def _matrix(w: Array) -> Array:
    return w.reshape(w.shape[0], -1)


def _normalize(a: Array, eps: float) -> Array:
    xp = xp_of(a)
    unit: Array = a / xp.maximum(xp.sqrt((a * a).sum()), eps)
    return unit
