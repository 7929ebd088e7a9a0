"""Launchers of the C++ kernels in csrc/softmax, on the rows of a matrix.

The axis becomes the last one and the others keep their order in memory, so that a channels-last
image is read as it lies where the softmax runs over its channels; other layouts are copied.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent
from ..native import native
from ..reduce.rows import c_order, cpp_refusal
from ..registry import register
from .spec import check_axis

_native: Any = native


def _supports(*arrays: Array, axis: int) -> str | None:
    return cpp_refusal(*arrays)


def _order(x: Array, axis: int) -> tuple[int, ...]:
    """Return the axes from the widest stride to the narrowest, the given one last."""
    if axis == x.ndim - 1 and x.flags.c_contiguous:
        return tuple(range(x.ndim))
    strides = x.strides
    return (*sorted((a for a in range(x.ndim) if a != axis), key=lambda a: -abs(strides[a])), axis)


def _rows(x: Array, order: tuple[int, ...]) -> Array:
    """Return x as (rows, width)."""
    return c_order(x.transpose(order)).reshape(-1, x.shape[order[-1]])


def _back(rows: Array, x: Array, order: tuple[int, ...], width: int) -> Array:
    """Return (rows, width) in the shape of x, whose last axis in this order has this extent."""
    shape = (*(x.shape[a] for a in order[:-1]), width)
    back = sorted(range(x.ndim), key=order.__getitem__)
    return rows.reshape(shape).transpose(back)


@register("softmax", "cpp", "rows", supports=_supports)
def softmax(x: Array, *, axis: int) -> Array:
    """exp(x) / sum exp(x) along the axis; see the reference."""
    order = _order(x, check_axis("softmax", x, axis))
    rows = _rows(x, order)
    y = np.empty(rows.shape, x.dtype)
    _native.softmax(rows, y)
    return _back(y, x, order, rows.shape[1])


@register("softmax_vjp", "cpp", "rows", supports=_supports)
def softmax_vjp(y: Array, gy: Array, *, axis: int) -> Array:
    """Return the cotangent of x; see the reference."""
    check_cotangent("softmax_vjp", gy, y.shape, y.dtype)
    order = _order(y, check_axis("softmax_vjp", y, axis))
    rows = _rows(y, order)
    gx = np.empty(rows.shape, y.dtype)
    _native.softmax_vjp(rows, _rows(gy, order), gx)
    return _back(gx, y, order, rows.shape[1])


@register("logsumexp", "cpp", "rows", supports=_supports)
def logsumexp(x: Array, *, axis: int) -> Array:
    """Log of sum exp(x) along the axis, which stays with extent 1; see the reference."""
    order = _order(x, check_axis("logsumexp", x, axis))
    rows = _rows(x, order)
    y = np.empty(len(rows), x.dtype)
    _native.logsumexp(rows, y)
    return _back(y, x, order, 1)
