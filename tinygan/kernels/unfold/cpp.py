"""Launchers of the C++ kernels in csrc/unfold."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, Shape, adjacent_channels, empty_channels_last
from ..native import native
from ..reduce.rows import c_order, cpp_refusal
from ..registry import register
from .spec import UnfoldSpec

_native: Any = native


def _supports(x: Array, **_: object) -> str | None:
    return cpp_refusal(x)


def _params(spec: UnfoldSpec) -> tuple[int, ...]:
    return (*spec.kernel, *spec.conv.stride, *spec.conv.padding, *spec.conv.dilation)


@register("unfold", "cpp", "direct", supports=_supports, exact=True)
def unfold(x: Array, *, spec: UnfoldSpec) -> Array:
    """Copy every window to a column. Shapes: x (N, C, H, W) -> cols (N, C R S, P Q)."""
    n, depth, count = spec.cols_shape("unfold", x.shape)
    cols = np.empty((n, count, depth), x.dtype)
    _native.unfold(adjacent_channels(x), cols, _params(spec))
    return cols.transpose(0, 2, 1)


@register("fold", "cpp", "direct", supports=_supports, exact=True)
def fold(cols: Array, *, spec: UnfoldSpec, x_shape: Shape) -> Array:
    """Add columns back to images. Shapes: cols (N, C R S, P Q) -> x ``x_shape``."""
    spec.check_fold(cols.shape, x_shape)
    x = empty_channels_last(np, x_shape, cols.dtype)
    _native.fold(c_order(cols.transpose(0, 2, 1)), x, _params(spec))
    return x
