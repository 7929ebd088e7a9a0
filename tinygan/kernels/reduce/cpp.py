"""C++ sum, max and min (csrc/reduce): sums in float64, in blocks of a fixed order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from ..native import native
from ..registry import register
from .plan import KINDS, plan, reduction_refusal
from .rows import c_order, cpp_refusal
from .spec import check_axes

_native: Any = native


def _supports(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> str | None:
    return cpp_refusal(x) or reduction_refusal(x, axis)


def _reduce(kind: str, x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    axes = check_axes(kind, x, axis, identity=kind == "sum")
    found = plan(x.shape, x.strides, axes, keepdims)
    assert found is not None  # supports() has seen to it
    y = np.empty((found.extents[0], found.extents[2]), x.dtype)
    _native.reduce(c_order(x.transpose(found.order)).reshape(found.extents), KINDS.index(kind), y)
    return y.reshape(found.kept).transpose(found.back).reshape(found.shape)


@register("sum", "cpp", "blocks", supports=_supports, accumulate="float64", exact=True)
def sum_(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Add up x over the axes; see the reference."""
    return _reduce("sum", x, axis, keepdims)


@register("max", "cpp", "blocks", supports=_supports, exact=True)
def max_(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Return the largest element over the axes; see the reference."""
    return _reduce("max", x, axis, keepdims)


@register("min", "cpp", "blocks", supports=_supports, exact=True)
def min_(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Return the smallest element over the axes; see the reference."""
    return _reduce("min", x, axis, keepdims)
