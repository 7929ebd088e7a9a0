"""References of sum, max and min over a tuple of axes.

A sum of float32 is carried in float64 and rounded once: NumPy adds the rows of an array that is
not contiguous along the reduced axes one after another, and loses digits. NaN wins in max and min.
"""

from __future__ import annotations

from typing import Any

from ..arrays import Array, xp_of
from ..registry import register_reference
from .spec import check_axes


@register_reference("sum", accumulate="float64", exact=True)
def sum_(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Add up x over the axes.

    Shapes: x (any) -> x without the axes, or with extent 1 there (keepdims); C order.
    """
    axes = check_axes("sum", x, axis, identity=True)
    dtype = xp_of(x).float64 if x.dtype.kind == "f" else x.dtype
    return _array(x, x.sum(axis=axes, dtype=dtype, keepdims=keepdims) if axes else x)


@register_reference("max", exact=True)
def max_(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Return the largest element over the axes, NaN where there is one.

    Shapes: x (any) -> x without the axes, or with extent 1 there (keepdims); C order.
    """
    axes = check_axes("max", x, axis, identity=False)
    return _array(x, x.max(axis=axes, keepdims=keepdims) if axes else x)


@register_reference("min", exact=True)
def min_(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Return the smallest element over the axes, NaN where there is one.

    Shapes: x (any) -> x without the axes, or with extent 1 there (keepdims); C order.
    """
    axes = check_axes("min", x, axis, identity=False)
    return _array(x, x.min(axis=axes, keepdims=keepdims) if axes else x)


def _array(x: Array, value: Any) -> Array:
    """Return an array of the dtype of x, new, and 0-d where NumPy would give a scalar."""
    out: Array = xp_of(x).array(value, dtype=x.dtype, order="C")
    return out
