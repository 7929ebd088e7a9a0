"""Scaled dot-product attention: each query takes a weighted mean of the values.

    weights = softmax(scale * q k^T + mask)   over the keys,      y = weights v

Without mask and dropout it is a fused op (kernels/attention), which holds the weights of a few
queries at a time; written in small ops, it holds all L x S weights of a head at once. Source:
arXiv:1706.03762, section 3.2.1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import Tensor, fused
from ..autograd.basic import max as max_
from ..autograd.basic import not_equal, softmax, where
from ..autograd.linear import as_tensor, astype, matmul, transpose
from ..errors import DtypeError, OptionError, ShapeError
from ..kernels.arrays import xp_of
from .activation import MaskStream, dropout

_INF = float("inf")


def _attention_composite(q: Tensor, k: Tensor, v: Tensor, *, scale: float) -> Tensor:
    return matmul(softmax(matmul(q * scale, _swap(k))), v)


_attention = fused("attention", _attention_composite)


def attention_weights(
    q: Any, k: Any, *, attn_mask: Any = None, is_causal: bool = False, scale: float | None = None
) -> Tensor:
    """How much each query attends to each key: softmax(scale * q k^T + mask) over the keys.

    Shapes: q (..., L, E), k (..., S, E) -> (..., L, S); leading axes broadcast.

    Args:
        q: queries.
        k: keys, at least one.
        attn_mask: booleans, true where a query may attend, or floats that are added to the scaled
            scores; broadcasts to (..., L, S). A query that may attend to nothing gets zeros.
        is_causal: let query i attend to the keys 0 to i alone, besides ``attn_mask``.
        scale: factor of the scores; None means 1 / sqrt(E).

    Raises:
        ShapeError: q, k or the mask don't fit each other.
        DtypeError: q and k differ in dtype, or the mask is neither boolean nor of floats.

    Differentiable: any order in q, k and a mask of floats.
    """
    q, k = as_tensor(q), as_tensor(k)
    _check("attention_weights", q, k)
    scores = matmul(q * _factor(q, scale), _swap(k))
    if is_causal:
        xp = xp_of(scores.data)
        rows, columns = scores.shape[-2:]
        ahead = xp.arange(columns) > xp.arange(rows)[:, None]
        scores = where(ahead, -_INF, scores)
    if attn_mask is None:
        return softmax(scores)
    scores = _masked(scores, as_tensor(attn_mask))
    # softmax would divide 0 by 0 where all is masked; NaN is no -inf, and stays
    alive = not_equal(max_(scores.detach(), -1, True), -_INF)
    return where(alive, softmax(where(alive, scores, 0.0)), 0.0)


def scaled_dot_product_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    attn_mask: Any = None,
    is_causal: bool = False,
    dropout_p: float = 0.0,
    mask_stream: MaskStream | None = None,
    scale: float | None = None,
) -> Tensor:
    """Let each query take the mean of the values, weighted by how well its key fits.

    Shapes: q (..., L, E), k (..., S, E), v (..., S, F) -> (..., L, F); leading axes broadcast.

    Args:
        q: queries.
        k: keys, at least one.
        v: values, one a key.
        attn_mask: booleans, true where a query may attend, or floats that are added to the scaled
            scores; broadcasts to (..., L, S). A query that may attend to nothing gets zeros.
        is_causal: let query i attend to the keys 0 to i alone, besides ``attn_mask``.
        dropout_p: probability of dropping a weight.
        mask_stream: where dropout takes its mask from; needed if ``dropout_p`` is not 0.
        scale: factor of the scores; None means 1 / sqrt(E).

    Raises:
        ShapeError: operands don't fit each other.
        DtypeError: operands differ in dtype, or the mask is neither boolean nor of floats.
        OptionError: dropout without a stream, or a probability outside [0, 1).

    Differentiable: any order in q, k, v and a mask of floats. Semantics: PyTorch's function of this
    name, except that a mask and ``is_causal`` may be combined.
    """
    q, k, v = as_tensor(q), as_tensor(k), as_tensor(v)
    _check("scaled_dot_product_attention", q, k, v)
    plain = attn_mask is None and not is_causal and not dropout_p
    if plain and q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        return _attention(q, k, v, scale=_factor(q, scale))
    weights = attention_weights(q, k, attn_mask=attn_mask, is_causal=is_causal, scale=scale)
    if dropout_p:
        if mask_stream is None:
            raise OptionError(f"scaled_dot_product_attention: dropout_p {dropout_p} needs a stream")
        weights = dropout(weights, dropout_p, mask_stream=mask_stream)
    return matmul(weights, v)


def _factor(q: Tensor, scale: float | None) -> float:
    return 1 / math.sqrt(q.shape[-1]) if scale is None else float(scale)


def _swap(x: Tensor) -> Tensor:
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _masked(scores: Tensor, mask: Tensor) -> Tensor:
    """Set scores to -inf where a boolean mask is false; add a mask of floats."""
    if not _fits(mask.shape, scores.shape):
        raise ShapeError(f"attention: attn_mask {mask.shape} does not fit scores {scores.shape}")
    if mask.dtype.kind == "b":
        return where(mask, scores, -_INF)
    if mask.dtype.kind == "f":
        return scores + astype(mask, scores.dtype)
    raise DtypeError(f"attention: attn_mask is {mask.dtype}; booleans or floats fit")


def _fits(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Tell whether one shape broadcasts to the other."""
    pairs = zip(small[::-1], large[::-1], strict=False)
    return len(small) <= len(large) and all(a in (1, b) for a, b in pairs)


def _check(op: str, q: Tensor, k: Tensor, v: Tensor | None = None) -> None:
    operands = [q, k] if v is None else [q, k, v]
    shapes = ", ".join(f"{name} {t.shape}" for name, t in zip("qkv", operands, strict=False))
    if len({t.dtype for t in operands}) > 1:
        raise DtypeError(f"{op}: {', '.join(str(t.dtype) for t in operands)} differ; one fits")
    wanted = "(..., L, E), (..., S, E)" + (", (..., S, F)" if v is not None else "")
    bad = any(t.ndim < 2 for t in operands) or q.shape[-1] != k.shape[-1]
    if bad or 0 in k.shape[-2:] or (v is not None and v.shape[-2] != k.shape[-2]):
        raise ShapeError(f"{op}: {shapes} do not fit {wanted} with S and E at least 1")
    try:
        np.broadcast_shapes(*(t.shape[:-2] for t in operands))
    except ValueError:
        raise ShapeError(f"{op}: the leading axes of {shapes} do not broadcast") from None
