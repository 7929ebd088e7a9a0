"""upfirdn2d where there is no compiler: the loops of csrc/upfirdn2d, one image a task."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, Shape, channels_last_rows, zeros_channels_last
from ..numba_pool import over
from ..reduce.rows import numba_refusal
from ..registry import register
from .spec import UpfirdnSpec


def _supports(a: Array, b: Array, **_: object) -> str | None:
    return numba_refusal(a, b)


def _loops() -> Any:
    from . import numba_loops  # imports Numba: when a kernel runs, and not before

    return numba_loops


def _params(spec: UpfirdnSpec) -> Array:
    (top, _), (left, _) = spec.padding
    return np.array([*spec.up, *spec.down, top, left], np.int64)


@register("upfirdn2d", "numba", "polyphase", supports=_supports, exact=True)
def upfirdn2d(x: Array, f: Array, *, spec: UpfirdnSpec) -> Array:
    """Upsample, filter, downsample. Shapes: x (N, C, H, W), f (R, S) -> y (N, C, P, Q)."""
    y = zeros_channels_last(np, spec.out_shape(x.shape, f.shape), x.dtype)
    k = np.ascontiguousarray(spec.in_order(f))
    over(
        len(x),
        _loops().filter_images,
        channels_last_rows(x),
        k,
        y.transpose(0, 2, 3, 1),
        _params(spec),
    )
    return y


@register(
    "upfirdn2d_fgrad", "numba", "polyphase", supports=_supports, accumulate="float64", exact=True
)
def upfirdn2d_fgrad(x: Array, gy: Array, *, spec: UpfirdnSpec, f_shape: Shape) -> Array:
    """Filter gradient. Shapes: x (N, C, H, W), gy (N, C, P, Q) -> gf ``f_shape``, C order."""
    spec.check_fgrad(x.shape, gy.shape, f_shape)
    of_image = np.zeros((len(x), *f_shape))
    over(
        len(x),
        _loops().correlate_images,
        channels_last_rows(x),
        channels_last_rows(gy),
        of_image,
        _params(spec),
    )
    gk = of_image.sum(axis=0).astype(x.dtype)
    return np.ascontiguousarray(spec.in_order(gk))
