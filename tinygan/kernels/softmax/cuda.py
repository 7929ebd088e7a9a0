"""CUDA softmax, its vjp and logsumexp (csrc/softmax/softmax.cu): a warp or a block a row."""

from __future__ import annotations

from ..arrays import Array, check_cotangent, xp_of
from ..cuda import launch, register_cuda
from ..cuda.rows import row_sizes
from ..cuda.segments import int_refusal
from .rows import as_matrix, back, order_of
from .spec import check_axis


@register_cuda("softmax", "rows", supports=int_refusal)
def softmax(x: Array, *, axis: int) -> Array:
    """exp(x) / sum exp(x) along the axis; see the reference."""
    order = order_of(x, check_axis("softmax", x, axis))
    rows = as_matrix(x, order)
    y = xp_of(x).empty(rows.shape, "f4")
    launch("softmax", x=rows, y=y, **row_sizes(*rows.shape))
    return back(y, x, order, rows.shape[1])


@register_cuda("softmax_vjp", "rows", supports=int_refusal)
def softmax_vjp(y: Array, gy: Array, *, axis: int) -> Array:
    """Return the cotangent of x; see the reference."""
    check_cotangent("softmax_vjp", gy, y.shape, y.dtype)
    order = order_of(y, check_axis("softmax_vjp", y, axis))
    rows = as_matrix(y, order)
    gx = xp_of(y).empty(rows.shape, "f4")
    launch("softmax_vjp", y=rows, gy=as_matrix(gy, order), gx=gx, **row_sizes(*rows.shape))
    return back(gx, y, order, rows.shape[1])


@register_cuda("logsumexp", "rows", supports=int_refusal)
def logsumexp(x: Array, *, axis: int) -> Array:
    """Log of sum exp(x) along the axis, which stays with extent 1; see the reference."""
    order = order_of(x, check_axis("logsumexp", x, axis))
    rows = as_matrix(x, order)
    y = xp_of(x).empty(len(rows), "f4")
    launch("logsumexp", x=rows, y=y, **row_sizes(*rows.shape))
    return back(y, x, order, 1)
