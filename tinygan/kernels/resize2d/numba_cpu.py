"""resize2d where there is no compiler: rows are weighed, then the columns of every row."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, Shape, channels_last_rows
from ..numba_pool import over
from ..reduce.rows import numba_refusal
from ..registry import register
from .spec import ResizeSpec
from .weights import Taps


def _supports(x: Array, **_: object) -> str | None:
    return numba_refusal(x)


def _weigh(x: Array, taps: Taps) -> Array:
    """Return the sums of x (N, pixels, values) along the pixels, (N, outputs, values)."""
    from . import numba_loops  # imports Numba: when a kernel runs, and not before

    y = np.zeros((len(x), len(taps.start) - 1, x.shape[2]), x.dtype)
    loop: Any = numba_loops.weigh_rows
    over(len(x), loop, x, taps.start, taps.pixel, taps.weight.astype(x.dtype), y)
    return y


def _run(x: Array, rows: Taps, columns: Taps, shape: Shape) -> Array:
    (n, c, _, w), (_, _, p, q) = x.shape, shape
    along_h = _weigh(channels_last_rows(x).reshape(n, -1, w * c), rows)
    along_w = _weigh(along_h.reshape(n * p, w, c), columns)
    return along_w.reshape(n, p, q, c).transpose(0, 3, 1, 2)


@register("resize2d", "numba", "two_pass", supports=_supports)
def resize2d(x: Array, *, spec: ResizeSpec) -> Array:
    """Interpolate. Shapes: x (N, C, H, W) -> y (N, C, P, Q)."""
    return _run(x, spec.taps(0), spec.taps(1), spec.out_shape(x.shape))


@register("resize2d_adjoint", "numba", "two_pass", supports=_supports)
def resize2d_adjoint(gy: Array, *, spec: ResizeSpec) -> Array:
    """Take a cotangent back. Shapes: gy (N, C, P, Q) -> gx (N, C, H, W)."""
    return _run(gy, spec.adjoint_taps(0), spec.adjoint_taps(1), spec.in_shape(gy.shape))
