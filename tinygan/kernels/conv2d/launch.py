"""What the launchers of csrc/conv2d share: the call of the binding, by any of its algorithms.

The kernels read images whose channels lie next to each other, at any other strides (slices,
reversed, broadcast); an image with another order is copied to channels last first.
"""

from __future__ import annotations

import numpy as np

from ..arrays import (
    Array,
    Shape,
    adjacent_channels,
    aligned,
    empty_channels_last,
    two_floats_refusal,
)
from ..native import native, why_not
from .spec import ConvSpec

_FORWARD, _DGRAD, _WGRAD = range(3)
IMPLICIT_GEMM, DIRECT, WINOGRAD_F2, WINOGRAD_F4 = range(4)  # enum Algorithm in bind.cpp


def refusal(a: Array, b: Array, **_: object) -> str | None:
    """Say why the C++ kernels do not take two operands, or return None."""
    if native is None:
        return f"C++ kernels {why_not()}"
    return two_floats_refusal(a, b)


def _params(spec: ConvSpec) -> tuple[int, ...]:
    return (*spec.stride, *spec.padding, *spec.dilation, spec.groups)


def conv2d_by(algorithm: int, x: Array, w: Array, *, spec: ConvSpec) -> Array:
    """Convolve by one of the algorithms; shapes as in ``conv2d``."""
    y = empty_channels_last(np, spec.out_shape(x.shape, w.shape), x.dtype)
    native.conv2d(_FORWARD, algorithm, adjacent_channels(x), aligned(w), y, _params(spec))
    return y


def dgrad_by(algorithm: int, gy: Array, w: Array, *, spec: ConvSpec, x_shape: Shape) -> Array:
    """Convolve transposed by one of the algorithms; shapes as in ``conv2d_dgrad``."""
    spec.check_dgrad(gy.shape, w.shape, x_shape)
    gx = empty_channels_last(np, x_shape, gy.dtype)
    native.conv2d(_DGRAD, algorithm, gx, aligned(w), adjacent_channels(gy), _params(spec))
    return gx


def wgrad_by(algorithm: int, x: Array, gy: Array, *, spec: ConvSpec, w_shape: Shape) -> Array:
    """Compute the weight gradient by one of the algorithms; shapes as in ``conv2d_wgrad``."""
    spec.check_wgrad(x.shape, gy.shape, w_shape)
    gw = np.empty(w_shape, x.dtype)
    native.conv2d(_WGRAD, algorithm, adjacent_channels(x), gw, adjacent_channels(gy), _params(spec))
    return gw
