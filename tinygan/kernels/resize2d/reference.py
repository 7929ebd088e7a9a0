"""The definition of resize2d: weigh and add pixels along the height, then along the width.

    y[n,c,p,q] = sum_{h,w} A[p,h] B[q,w] x[n,c,h,w],      A and B sparse (weights.py)

The adjoint is the same with A and B transposed. Runs on NumPy and CuPy; sums are carried in the
type of x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, xp_of, zeros_channels_last
from ..registry import register_reference
from .spec import ResizeSpec
from .weights import Taps


def _along(x: Array, taps: Taps, axis: int) -> Array:
    """Weigh and add along ``axis``, one tap of all outputs at a time."""
    xp, counts = xp_of(x), np.diff(taps.start)
    shape = (*x.shape[:axis], len(counts), *x.shape[axis + 1 :])
    y, lead = zeros_channels_last(xp, shape, x.dtype), (slice(None),) * axis
    for k in range(int(counts.max())):
        rows = np.flatnonzero(counts > k)  # not all outputs have as many taps
        at = taps.start[rows] + k
        weight = xp.asarray(taps.weight[at].astype(x.dtype)).reshape(-1, *[1] * (3 - axis))
        y[_at(xp, lead, rows)] += x[_at(xp, lead, taps.pixel[at])] * weight
    return y


def _at(xp: Any, lead: tuple[slice, ...], index: Array) -> tuple[Any, ...]:
    return (*lead, xp.asarray(index))


@register_reference("resize2d")
def resize2d(x: Array, *, spec: ResizeSpec) -> Array:
    """Interpolate. Shapes: x (N, C, H, W) -> y (N, C, P, Q)."""
    spec.out_shape(x.shape)
    return _along(_along(x, spec.taps(0), 2), spec.taps(1), 3)


@register_reference("resize2d_adjoint")
def resize2d_adjoint(gy: Array, *, spec: ResizeSpec) -> Array:
    """Take a cotangent back. Shapes: gy (N, C, P, Q) -> gx (N, C, H, W)."""
    spec.in_shape(gy.shape)
    return _along(_along(gy, spec.adjoint_taps(0), 2), spec.adjoint_taps(1), 3)
