"""Arrays as the fast kernels take them: a matrix (rows, channels) in C order.

An NHWC activation is such a matrix already, with rows = N * H * W; so is (N, C). Every other layout
is copied into one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import FLOATS, Array, Shape, is_numpy, xp_of
from ..native import why_not
from ..numba_pool import why_no_numba


def float_refusal(*arrays: Array | None) -> str | None:
    """Return why a kernel for float32 and float64 in one dtype can't take these, or None."""
    given = [a for a in arrays if a is not None]
    if given[0].dtype not in FLOATS:
        return f"takes float32 and float64, got {given[0].dtype}"
    if any(a.dtype != given[0].dtype for a in given):
        return f"takes one dtype, got {', '.join(str(a.dtype) for a in given)}"
    return None if given[0].size else f"takes at least one element, got {given[0].shape}"


def cpp_refusal(*arrays: Array | None) -> str | None:
    """Return why the C++ kernels can't take these arrays, or None."""
    return why_not() or float_refusal(*arrays)


def numba_refusal(*arrays: Array | None) -> str | None:
    """Return why the Numba kernels can't take these arrays, or None."""
    return why_no_numba() or float_refusal(*arrays)


def c_order(x: Array) -> Array:
    """Return x in C order and aligned: itself, or a copy."""
    if x.flags.c_contiguous and (x.flags.aligned if is_numpy(x) else True):
        return x
    out: Array = xp_of(x).array(x, order="C")
    return out


def as_rows(x: Array, axis: int = 1) -> Array:
    """Return x (N, C, ...) as (rows, C): a view where x is channels last, else a copy."""
    if x.ndim > axis + 1:
        x = x.transpose(*range(axis), *range(axis + 1, x.ndim), axis)
    return c_order(x).reshape(-1, x.shape[-1])


def empty_rows(
    shape: Shape, dtype: np.dtype, axis: int = 1, *, xp: Any = np
) -> tuple[Array, Array]:
    """Allocate (rows, C), and return it with its view of this shape (N, C, ...), channels last."""
    channels = shape[axis]
    rows = xp.empty((math.prod(shape) // channels, channels), dtype)
    if len(shape) <= axis + 1:
        return rows, rows.reshape(shape)
    others = (*shape[:axis], *shape[axis + 1 :])
    back = (*range(axis), len(shape) - 1, *range(axis, len(shape) - 1))
    return rows, rows.reshape(*others, channels).transpose(back)
