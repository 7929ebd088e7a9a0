"""Operands, axes and indices, made plain from the forms in which users give them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..kernels.arrays import Shape
from .tensor import Axis, Tensor


def as_tensor(x: Any) -> Tensor:
    """Return ``x`` itself if it is a tensor, else a constant made of it."""
    return x if isinstance(x, Tensor) else Tensor(x)


def listed(given: tuple[Any, ...]) -> tuple[int, ...]:
    """Return the integers of ``f(2, 3)``, and of ``f((2, 3))`` too."""
    alone = len(given) == 1 and not isinstance(given[0], int | np.integer)
    return tuple(given[0]) if alone else given


def normalize_axis(axis: Axis, ndim: int, dim: Axis = None) -> tuple[int, ...]:
    """Return ``axis`` (or ``dim``) as a sorted tuple of non-negative axes; None means all.

    Raises:
        ShapeError: an axis is out of range or named twice.
    """
    axis = dim if axis is None else axis
    if axis is None:
        return tuple(range(ndim))
    named = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    if any(not -ndim <= a < ndim for a in named):
        raise ShapeError(f"axis {axis} is out of range for {ndim} axes")
    axes = tuple(sorted(a % ndim for a in named))
    if len(set(axes)) != len(axes):
        raise ShapeError(f"axis {axis} names an axis twice")
    return axes


def check_broadcast(op: str, *shapes: Shape) -> None:
    """Raise ShapeError unless the shapes broadcast together."""
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        listed = ", ".join(map(str, shapes[:-1]))
        raise ShapeError(
            f"{op}: shapes {listed} and {shapes[-1]} do not broadcast together"
        ) from None


def common_dtype(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    """Return the wider of two floats or two integers, the float of one of each."""
    if (a.kind == "f") == (b.kind == "f"):
        return np.promote_types(a, b)
    return a if a.kind == "f" else b


def is_basic_index(index: Any) -> bool:
    """Tell whether an index gives a view: numbers, slices, None and ... alone."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(p is None or p is Ellipsis or isinstance(p, int | slice) for p in parts)


def plain_index(index: Any, xp: Any) -> Any:
    """Replace tensors and lists in an index by arrays, lists by those of the library ``xp``."""
    if isinstance(index, tuple):
        return tuple(plain_index(i, xp) for i in index)
    if isinstance(index, list):
        return xp.asarray(index, dtype=None if index else np.int64)
    return index.data if isinstance(index, Tensor) else index
