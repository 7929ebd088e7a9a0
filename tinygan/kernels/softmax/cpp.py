"""Launchers of the C++ kernels in csrc/softmax, on the rows of a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent
from ..native import native
from ..reduce.rows import cpp_refusal
from ..registry import register
from .rows import as_matrix, back, order_of
from .spec import check_axis

_native: Any = native


def _supports(*arrays: Array, axis: int) -> str | None:
    return cpp_refusal(*arrays)


@register("softmax", "cpp", "rows", supports=_supports)
def softmax(x: Array, *, axis: int) -> Array:
    """exp(x) / sum exp(x) along the axis; see the reference."""
    order = order_of(x, check_axis("softmax", x, axis))
    rows = as_matrix(x, order)
    y = np.empty(rows.shape, x.dtype)
    _native.softmax(rows, y)
    return back(y, x, order, rows.shape[1])


@register("softmax_vjp", "cpp", "rows", supports=_supports)
def softmax_vjp(y: Array, gy: Array, *, axis: int) -> Array:
    """Return the cotangent of x; see the reference."""
    check_cotangent("softmax_vjp", gy, y.shape, y.dtype)
    order = order_of(y, check_axis("softmax_vjp", y, axis))
    rows = as_matrix(y, order)
    gx = np.empty(rows.shape, y.dtype)
    _native.softmax_vjp(rows, as_matrix(gy, order), gx)
    return back(gx, y, order, rows.shape[1])


@register("logsumexp", "cpp", "rows", supports=_supports)
def logsumexp(x: Array, *, axis: int) -> Array:
    """Log of sum exp(x) along the axis, which stays with extent 1; see the reference."""
    order = order_of(x, check_axis("logsumexp", x, axis))
    rows = as_matrix(x, order)
    y = np.empty(len(rows), x.dtype)
    _native.logsumexp(rows, y)
    return back(y, x, order, 1)
