"""Launchers of the C++ kernels in csrc/attention: the weights of a block stay in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent
from ..native import native
from ..reduce.rows import c_order, cpp_refusal
from ..registry import register
from .spec import check_operands

_native: Any = native


def _supports(*arrays: Array, scale: float) -> str | None:
    refusal = cpp_refusal(*arrays)
    if refusal is None and not all(a.size for a in arrays):
        return f"takes at least one element of each, got {', '.join(str(a.shape) for a in arrays)}"
    return refusal


def _batch(a: Array) -> Array:
    """Return a (..., L, E) as (B, L, E), in C order."""
    return c_order(a).reshape(-1, *a.shape[-2:])


@register("attention", "cpp", "blocks", supports=_supports)
def attention(q: Array, k: Array, v: Array, *, scale: float) -> Array:
    """Let each query take a weighted mean of the values; see the reference."""
    check_operands("attention", q, k, v)
    y = np.empty((*q.shape[:-1], v.shape[-1]), q.dtype)
    _native.attention(_batch(q), _batch(k), _batch(v), scale, _batch(y))
    return y


@register("attention_vjp", "cpp", "blocks", supports=_supports)
def attention_vjp(
    q: Array, k: Array, v: Array, gy: Array, *, scale: float
) -> tuple[Array, Array, Array]:
    """Return the cotangents of q, k and v; see the reference."""
    check_operands("attention_vjp", q, k, v)
    check_cotangent("attention_vjp", gy, (*q.shape[:-1], v.shape[-1]), q.dtype)
    gq, gk, gv = (np.empty(a.shape, a.dtype) for a in (q, k, v))
    operands = [_batch(a) for a in (q, k, v, gy)]
    _native.attention_vjp(*operands, scale, _batch(gq), _batch(gk), _batch(gv))
    return gq, gk, gv
