"""Reference of attention: ``y = softmax(scale * q k^T) v``, with all weights in memory.

Source: arXiv:1706.03762, section 3.2.1.
"""

from __future__ import annotations

from ..arrays import Array, check_cotangent
from ..registry import register_reference
from ..softmax.reference import softmax, softmax_vjp
from .spec import check_operands


@register_reference("attention")
def attention(q: Array, k: Array, v: Array, *, scale: float) -> Array:
    """Let each query take the mean of the values, weighted by how well its key fits.

    Shapes: q (..., L, E), k (..., S, E), v (..., S, F) -> (..., L, F).
    """
    check_operands("attention", q, k, v)
    y: Array = _weights(q, k, scale) @ v
    return y


@register_reference("attention_vjp")
def attention_vjp(
    q: Array, k: Array, v: Array, gy: Array, *, scale: float
) -> tuple[Array, Array, Array]:
    """Return the cotangents of q, k and v.

    With p the weights, gp = gy v^T their cotangent and gs that of the scores before they are
    scaled: ``gs = scale * softmax_vjp(p, gp)``, ``gq = gs k``, ``gk = gs^T q``, ``gv = p^T gy``.

    Shapes: q (..., L, E), k (..., S, E), v (..., S, F), gy (..., L, F) -> as q, k, v.
    """
    check_operands("attention_vjp", q, k, v)
    check_cotangent("attention_vjp", gy, (*q.shape[:-1], v.shape[-1]), q.dtype)
    p = _weights(q, k, scale)
    gs = softmax_vjp(p, gy @ v.swapaxes(-1, -2), axis=-1) * q.dtype.type(scale)
    return gs @ k, gs.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ gy


def _weights(q: Array, k: Array, scale: float) -> Array:
    return softmax((q @ k.swapaxes(-1, -2)) * q.dtype.type(scale), axis=-1)
