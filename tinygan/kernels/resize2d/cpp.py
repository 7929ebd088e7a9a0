"""Launchers of the kernel in csrc/resize2d, which takes the matrices or their transposes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, Shape, adjacent_channels, empty_channels_last
from ..native import native
from ..reduce.rows import cpp_refusal
from ..registry import register
from .spec import ResizeSpec
from .weights import Taps

_native: Any = native


def _supports(x: Array, **_: object) -> str | None:
    return cpp_refusal(x)


def _run(x: Array, rows: Taps, columns: Taps, shape: Shape) -> Array:
    y = empty_channels_last(np, shape, x.dtype)
    typed = [(t.start, t.pixel, t.weight.astype(x.dtype)) for t in (rows, columns)]
    _native.resize2d(adjacent_channels(x), *typed, y)
    return y


@register("resize2d", "cpp", "two_pass", supports=_supports)
def resize2d(x: Array, *, spec: ResizeSpec) -> Array:
    """Interpolate. Shapes: x (N, C, H, W) -> y (N, C, P, Q)."""
    return _run(x, spec.taps(0), spec.taps(1), spec.out_shape(x.shape))


@register("resize2d_adjoint", "cpp", "two_pass", supports=_supports)
def resize2d_adjoint(gy: Array, *, spec: ResizeSpec) -> Array:
    """Take a cotangent back. Shapes: gy (N, C, P, Q) -> gx (N, C, H, W)."""
    return _run(gy, spec.adjoint_taps(0), spec.adjoint_taps(1), spec.in_shape(gy.shape))
