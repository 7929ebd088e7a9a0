"""CUDA sum, max and min (csrc/reduce/reduce.cu): in double, in an order that the shape decides."""

from __future__ import annotations

from typing import Any

from ..arrays import Array, xp_of
from ..cuda import cuda_refusal, launch, register_cuda
from ..cuda.spec import over
from .plan import KINDS, plan
from .rows import c_order
from .spec import check_axes, reduced_shape

_WIDEST = 128  # inner of reduce_blocks at most
_SHORT = 32  # elements of an output that a thread alone adds up
_BLOCKS = 1024  # wanted: some eight a multiprocessor
_PIECE = 4096  # elements of a block's piece, at least


def _supports(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> str | None:
    if x.size >= 2**31:
        return "takes fewer than 2**31 elements"
    if reason := cuda_refusal(x):
        return reason
    return None if axis or not x.ndim else "takes at least one axis to reduce"


def _reduce(kind: str, x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    axes = check_axes(kind, x, axis, identity=kind == "sum")
    found = plan(x.shape, x.strides, axes, keepdims)
    if found is None:  # a copy lays the reduced axes side by side, behind the others
        kept = [a for a in range(x.ndim) if a not in axes]
        behind = c_order(x.transpose(*kept, *axes))
        y = _reduce(kind, behind, tuple(range(len(kept), x.ndim)), False)
        return y.reshape(reduced_shape(x.shape, axes, keepdims))
    outer, middle, inner = found.extents
    xp: Any = xp_of(x)
    out: Array = xp.empty((outer, inner), x.dtype)
    by_blocks = inner <= _WIDEST and middle > _SHORT
    pieces = _pieces(outer, middle, inner, by_blocks)
    partial = xp.empty((outer, pieces, inner), "f8") if pieces > 1 else None
    sizes = {"kind": KINDS.index(kind), "outer": outer, "inner": inner, "pieces": pieces}
    rows = c_order(x.transpose(found.order)).reshape(found.extents)
    entry = "reduce_blocks" if by_blocks else "reduce_threads"
    launch(entry, x=rows, y=out, partial=partial, middle=middle, **sizes)
    if partial is not None:
        launch("reduce_pieces", partial=partial, y=out, **sizes)
    return out.reshape(found.kept).transpose(found.back).reshape(found.shape)


def _pieces(outer: int, middle: int, inner: int, by_blocks: bool) -> int:
    """Return into how many pieces the middle axis is cut; none of them is empty."""
    if by_blocks:
        wanted = min(over(middle * inner, _PIECE), max(1, _BLOCKS // outer))
    else:
        blocks = over(outer * inner, 256)
        wanted = min(over(middle, 2 * _SHORT), max(1, _BLOCKS // blocks))
    return over(middle, over(middle, wanted))


@register_cuda("sum", "pieces", supports=_supports, accumulate="float64", exact=True)
def sum_(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Add up x over the axes; see the reference."""
    return _reduce("sum", x, axis, keepdims)


@register_cuda("max", "pieces", supports=_supports, exact=True)
def max_(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Return the largest element over the axes; see the reference."""
    return _reduce("max", x, axis, keepdims)


@register_cuda("min", "pieces", supports=_supports, exact=True)
def min_(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Return the smallest element over the axes; see the reference."""
    return _reduce("min", x, axis, keepdims)
