"""CUDA attention: batched products (csrc/attention/attention.cu) around softmax's rows.

The weights p and, in the vjp, their cotangent lie in memory, of so many items of the batch at once
as fit ``_MOST_WEIGHTS``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..arrays import Array, check_cotangent, xp_of
from ..cuda import launch, register_cuda
from ..cuda.rows import row_sizes
from ..cuda.segments import MOST_ELEMENTS, int_refusal
from ..reduce.rows import c_order
from .spec import check_operands

_MOST_WEIGHTS = 2**26  # floats: 256 MB, some of a GPU's memory but not all
_MOST_ITEMS = 65535  # blocks along the grid's second axis


def _supports(q: Array, k: Array, *rest: Array, scale: float) -> str | None:
    reason = int_refusal(q, k, *rest)
    if reason is None and q.shape[-2] * k.shape[-2] > MOST_ELEMENTS:
        return f"takes at most {MOST_ELEMENTS} weights an item, got {q.shape[-2]} x {k.shape[-2]}"
    return reason


@register_cuda("attention", "products", supports=_supports)
def attention(q: Array, k: Array, v: Array, *, scale: float) -> Array:
    """Let each query take a weighted mean of the values; see the reference."""
    check_operands("attention", q, k, v)
    y = xp_of(q).empty((*q.shape[:-1], v.shape[-1]), "f4")
    for q_, k_, v_, y_ in _parts(q.shape[-2] * k.shape[-2], q, k, v, y):
        _product(_weights(q_, k_, scale), v_, y_)
    out: Array = y
    return out


@register_cuda("attention_vjp", "products", supports=_supports)
def attention_vjp(
    q: Array, k: Array, v: Array, gy: Array, *, scale: float
) -> tuple[Array, Array, Array]:
    """Return the cotangents of q, k and v; see the reference."""
    check_operands("attention_vjp", q, k, v)
    check_cotangent("attention_vjp", gy, (*q.shape[:-1], v.shape[-1]), q.dtype)
    xp = xp_of(q)
    gq, gk, gv = (xp.empty(a.shape, "f4") for a in (q, k, v))
    operands = q, k, v, gy, gq, gk, gv
    for q_, k_, v_, g, gq_, gk_, gv_ in _parts(q.shape[-2] * k.shape[-2], *operands):
        p = _weights(q_, k_, scale)
        _product(p, g, gv_, turn_a=1)
        gs = _product(g, v_, xp.empty(p.shape, "f4"), turn_b=1)
        launch("softmax_vjp", y=p, gy=gs, gx=gs, **row_sizes(p.size // p.shape[-1], p.shape[-1]))
        _product(gs, k_, gq_, gain=scale)
        _product(gs, q_, gk_, turn_a=1, gain=scale)
    return gq, gk, gv


def _parts(weights: int, *arrays: Array) -> Iterator[list[Array]]:
    """Yield the arrays as (items, rows, columns), as many items at once as the limits allow."""
    batches = [c_order(a).reshape(-1, *a.shape[-2:]) for a in arrays]
    step = max(1, min(_MOST_ITEMS, _MOST_WEIGHTS // weights))
    for first in range(0, len(batches[0]), step):
        yield [a[first : first + step] for a in batches]


def _weights(q: Array, k: Array, scale: float) -> Array:
    """Return softmax(scale * q k^T), (items, L, S)."""
    p: Any = xp_of(q).empty((*q.shape[:2], k.shape[1]), "f4")
    _product(q, k, p, turn_b=1, gain=scale)
    launch("softmax", x=p, y=p, **row_sizes(p.size // p.shape[-1], p.shape[-1]))
    out: Array = p
    return out


def _product(
    a: Array, b: Array, c: Array, *, turn_a: int = 0, turn_b: int = 0, gain: float = 1.0
) -> Array:
    """Write gain * a b to c, every item for itself; turned: of the transposed a or b."""
    items, m, n = c.shape
    sizes = {"items": items, "m": m, "n": n, "depth": a.shape[1 if turn_a else 2]}
    how = {"turn_a": turn_a, "turn_b": turn_b, "gain": gain}
    launch("attention_product", a=a, b=b, c=c, **sizes, **how)
    return c
