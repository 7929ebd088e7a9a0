"""Launchers of the C++ kernels in csrc/pool2d: channels across vectors, one task a row."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import (
    Array,
    Shape,
    adjacent_channels,
    channels_last_rows,
    check_cotangent,
    empty_channels_last,
)
from ..native import native
from ..reduce.rows import cpp_refusal
from ..registry import register
from .spec import Pair, check_index, output_extents

_native: Any = native


def _supports(x: Array, **_: object) -> str | None:
    return cpp_refusal(x)


def _supports_index(x: Array, index: Array, **_: object) -> str | None:
    if index.dtype != np.int64 or not index.size:
        return f"takes some indices of int64, got {index.dtype} {index.shape}"
    return cpp_refusal(x)


@register("avg_pool2d", "cpp", "rows_then_columns", supports=_supports)
def avg_pool2d(
    x: Array, *, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool = True
) -> Array:
    """Average every window; see the reference."""
    extents = output_extents("avg_pool2d", x.shape, kernel, stride, padding)
    y = empty_channels_last(np, x.shape[:2] + extents, x.dtype)
    params = (*kernel, *stride, *padding)
    _native.avg_pool2d(adjacent_channels(x), y, params, bool(count_include_pad))
    return y


@register("avg_pool2d_adjoint", "cpp", "rows_then_columns", supports=_supports)
def avg_pool2d_adjoint(
    gy: Array,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool = True,
    x_shape: Shape,
) -> Array:
    """Spread every gy evenly over its window; see the reference."""
    op = "avg_pool2d_adjoint"
    extents = output_extents(op, x_shape, kernel, stride, padding)
    check_cotangent(op, gy, (*x_shape[:2], *extents))
    gx = empty_channels_last(np, x_shape, gy.dtype)
    params = (*kernel, *stride, *padding)
    _native.avg_pool2d_adjoint(adjacent_channels(gy), gx, params, bool(count_include_pad))
    return gx


@register("max_pool2d", "cpp", "channels", supports=_supports, exact=True)
def max_pool2d(x: Array, *, kernel: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    """Return the maximum of every window and where it lies; see the reference."""
    extents = output_extents("max_pool2d", x.shape, kernel, stride, padding)
    y = empty_channels_last(np, x.shape[:2] + extents, x.dtype)
    index = np.empty((len(x), *extents, x.shape[1]), np.int64)
    _native.max_pool2d(adjacent_channels(x), y, index, (*kernel, *stride, *padding))
    return y, index.transpose(0, 3, 1, 2)


def _flat(x: Array) -> Array:
    """Return x (N, C, H, W) as (N, H * W, C) in C order."""
    n, c, h, w = x.shape
    return channels_last_rows(x).reshape(n, h * w, c)


@register("gather2d", "cpp", "rows", supports=_supports_index, exact=True)
def gather2d(x: Array, index: Array) -> Array:
    """Pick elements of each image plane; see the reference."""
    check_index("gather2d", x.shape, index.shape)
    y = empty_channels_last(np, index.shape, x.dtype)
    _native.gather2d(_flat(x), _flat(index), _flat(y))
    return y


@register("scatter2d", "cpp", "channels", supports=_supports_index, exact=True)
def scatter2d(gy: Array, index: Array, *, x_shape: Shape) -> Array:
    """Add every gy to the element that the index names; see the reference."""
    check_index("scatter2d", x_shape, index.shape)
    check_cotangent("scatter2d", gy, index.shape)
    gx = empty_channels_last(np, x_shape, gy.dtype)
    _native.scatter2d(_flat(gy), _flat(index), _flat(gx))
    return gx
