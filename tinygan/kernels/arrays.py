"""Arrays of either library, and the memory layout of activations.

A kernel receives NumPy or CuPy arrays. ``xp_of`` gives the library that an array belongs to, so
that one reference serves both. The API speaks NCHW; in memory a 4-d activation is *channels last*
(N, H, W, C contiguous, seen through strides as NCHW), since vector loads want it. The array
libraries lose that order easily, so kernels allocate their outputs with the functions below.
"""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import DtypeError, ShapeError

Array: TypeAlias = npt.NDArray[Any]  # or its CuPy twin, which has no stubs
Shape: TypeAlias = tuple[int, ...]

_ON_HOST = (np.ndarray, np.generic)
_OF_NUMPY = (*_ON_HOST, int, float)  # NumPy's functions take plain numbers too
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_NCHW_FROM_NHWC = (0, 3, 1, 2)
_NHWC_FROM_NCHW = (0, 2, 3, 1)


def xp_of(array: Any) -> Any:
    """Return the module (``numpy`` or ``cupy``) whose functions take ``array``."""
    if type(array) is np.ndarray or isinstance(array, _OF_NUMPY):
        return np
    return sys.modules[type(array).__module__.partition(".")[0]]


def is_numpy(array: Any) -> bool:
    """Tell whether ``array`` lives in host memory."""
    return type(array) is np.ndarray or isinstance(array, _ON_HOST)


def is_channels_last(x: Array) -> bool:
    """Tell whether a 4-d array (N, C, H, W) is dense in the order N, H, W, C."""
    return x.ndim == 4 and bool(x.transpose(_NHWC_FROM_NCHW).flags.c_contiguous)


def empty_channels_last(xp: Any, shape: Shape, dtype: Any) -> Array:
    """Allocate an (N, C, H, W) array whose memory order is N, H, W, C."""
    n, c, h, w = shape
    out: Array = xp.empty((n, h, w, c), dtype=dtype).transpose(_NCHW_FROM_NHWC)
    return out


def zeros_channels_last(xp: Any, shape: Shape, dtype: Any) -> Array:
    """Allocate a zeroed (N, C, H, W) array whose memory order is N, H, W, C."""
    n, c, h, w = shape
    out: Array = xp.zeros((n, h, w, c), dtype=dtype).transpose(_NCHW_FROM_NHWC)
    return out


def as_channels_last(x: Array) -> Array:
    """Return ``x`` (N, C, H, W) with memory order N, H, W, C; a copy only where it has another."""
    if is_channels_last(x):
        return x
    out = empty_channels_last(xp_of(x), x.shape, x.dtype)
    out[...] = x
    return out


def channels_last_rows(x: Array) -> Array:
    """Return the image ``x`` (N, C, H, W) as (N, H, W, C), in C order and aligned."""
    rows = as_channels_last(x).transpose(_NHWC_FROM_NCHW)
    return rows if rows.flags.aligned else rows.copy()


def aligned(a: Array) -> Array:
    """Return ``a`` with an aligned address and strides of whole elements, as C++ needs."""
    flags = a.flags
    if flags.aligned and (flags.forc or not any([s % a.itemsize for s in a.strides])):
        return a
    return a.copy()


def adjacent_channels(x: Array) -> Array:
    """Return the image ``x`` (N, C, H, W) for C++: channels side by side, other strides as is.

    A copy only if it has others.
    """
    x = aligned(x)
    return x if x.shape[1] == 1 or x.strides[1] == x.itemsize else as_channels_last(x)


def empty_like(x: Array, *, dtype: Any = None) -> Array:
    """Allocate as ``x`` is laid out: channels last stays so, everything else becomes C order."""
    dtype = x.dtype if dtype is None else dtype
    if x.ndim == 4 and not x.flags.c_contiguous and is_channels_last(x):
        return empty_channels_last(xp_of(x), x.shape, dtype)
    out: Array = xp_of(x).empty(x.shape, dtype=dtype)
    return out


def scalar(xp: Any, value: Any, dtype: Any) -> Array:
    """Return a 0-d array; on a GPU without a copy from the host, which would wait for the host."""
    out: Array = np.asarray(value, dtype) if xp is np else xp.full((), value, dtype)
    return out


def writable(a: Array) -> Array:
    """Return ``a``, or a copy where it must not be written to (a broadcast, a mapped file)."""
    return a.copy() if is_numpy(a) and not a.flags.writeable else a


def elementwise(name: str, *xs: Array) -> Array:
    """Apply the ufunc ``name``; the output is channels last where a full-shape operand is.

    Left to themselves, NumPy keeps the order of the first operand only by luck and CuPy never.
    """
    fn = getattr(xp_of(xs[0]), name)
    for x in xs:
        if x.ndim == 4 and not x.flags.c_contiguous and is_channels_last(x):
            shape = x.shape if len(xs) == 1 else np.broadcast_shapes(*(a.shape for a in xs))
            if x.shape == shape:
                out: Array = fn(*xs, out=empty_channels_last(xp_of(x), shape, x.dtype))
                return out
    result: Array = fn(*xs)
    return result


def two_floats_refusal(a: Array, b: Array) -> str | None:
    """Return why a product of two float32 or two float64 arrays can't take these, or None."""
    if a.dtype == b.dtype and a.dtype in FLOATS:
        return None
    return f"takes two float32 or two float64 arrays, got {a.dtype} and {b.dtype}"


def check_cotangent(op: str, gy: Array, shape: Shape, dtype: Any = None) -> None:
    """Raise unless the cotangent gy has this shape and, where one is given, this dtype.

    Raises:
        ShapeError: it has another shape.
        DtypeError: it has another dtype.
    """
    if gy.shape != shape:
        raise ShapeError(f"{op}: gy must have the shape {shape}, got {gy.shape}")
    if dtype is not None and gy.dtype != dtype:
        raise DtypeError(f"{op}: gy must be {dtype}, got {gy.dtype}")
