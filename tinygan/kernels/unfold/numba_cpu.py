"""unfold and fold where there is no compiler: plain loops, one image a task."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, Shape, channels_last_rows, zeros_channels_last
from ..numba_pool import over
from ..reduce.rows import c_order, numba_refusal
from ..registry import register
from .spec import UnfoldSpec


def _supports(x: Array, **_: object) -> str | None:
    return numba_refusal(x)


def _loops() -> Any:
    from . import numba_loops  # imports Numba: when a kernel runs, and not before

    return numba_loops


def _window(spec: UnfoldSpec) -> Array:
    return np.array([*spec.conv.stride, *spec.conv.padding, *spec.conv.dilation], np.int64)


@register("unfold", "numba", "direct", supports=_supports, exact=True)
def unfold(x: Array, *, spec: UnfoldSpec) -> Array:
    """Copy every window to a column. Shapes: x (N, C, H, W) -> cols (N, C R S, P Q)."""
    n, depth, count = spec.cols_shape("unfold", x.shape)
    cols = np.empty((n, count, depth), x.dtype)
    patches = cols.reshape(n, *spec.windows("unfold", x.shape), x.shape[1], *spec.kernel)
    over(n, _loops().unfold_images, channels_last_rows(x), patches, _window(spec))
    return cols.transpose(0, 2, 1)


@register("fold", "numba", "direct", supports=_supports, exact=True)
def fold(cols: Array, *, spec: UnfoldSpec, x_shape: Shape) -> Array:
    """Add columns back to images. Shapes: cols (N, C R S, P Q) -> x ``x_shape``."""
    spec.check_fold(cols.shape, x_shape)
    x, windows = zeros_channels_last(np, x_shape, cols.dtype), spec.windows("fold", x_shape)
    dense = c_order(cols.transpose(0, 2, 1))
    patches = dense.reshape(len(cols), *windows, x_shape[1], *spec.kernel)
    over(len(x), _loops().fold_images, x.transpose(0, 2, 3, 1), patches, _window(spec))
    return x
