"""Launchers of the C++ kernels in csrc/upfirdn2d: only taps that meet a pixel, no zeros stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, Shape, adjacent_channels, aligned, empty_channels_last
from ..native import native
from ..reduce.rows import cpp_refusal
from ..registry import register
from .spec import UpfirdnSpec

_native: Any = native


def _supports(a: Array, b: Array, **_: object) -> str | None:
    return cpp_refusal(a, b)


def _params(spec: UpfirdnSpec) -> tuple[int, ...]:
    (top, _), (left, _) = spec.padding
    return (*spec.up, *spec.down, top, left)


@register("upfirdn2d", "cpp", "polyphase", supports=_supports, exact=True)
def upfirdn2d(x: Array, f: Array, *, spec: UpfirdnSpec) -> Array:
    """Upsample, filter, downsample. Shapes: x (N, C, H, W), f (R, S) -> y (N, C, P, Q)."""
    y = empty_channels_last(np, spec.out_shape(x.shape, f.shape), x.dtype)
    _native.upfirdn2d(adjacent_channels(x), spec.in_order(aligned(f)), y, _params(spec))
    return y


@register(
    "upfirdn2d_fgrad", "cpp", "polyphase", supports=_supports, accumulate="float64", exact=True
)
def upfirdn2d_fgrad(x: Array, gy: Array, *, spec: UpfirdnSpec, f_shape: Shape) -> Array:
    """Filter gradient. Shapes: x (N, C, H, W), gy (N, C, P, Q) -> gf ``f_shape``, C order."""
    spec.check_fgrad(x.shape, gy.shape, f_shape)
    gk = np.empty(f_shape, x.dtype)
    _native.upfirdn2d_fgrad(adjacent_channels(x), adjacent_channels(gy), gk, _params(spec))
    return np.ascontiguousarray(spec.in_order(gk))
