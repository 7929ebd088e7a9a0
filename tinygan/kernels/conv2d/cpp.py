"""Launchers of the C++ kernels in csrc/conv2d.

``implicit_gemm`` gathers rows through pointers and keeps tiles of outputs in registers
(csrc/conv2d/gather.cpp, wgrad.cpp); ``direct`` is plain loops (direct.cpp). Both take any stride,
padding, dilation and groups in float32 and float64.

The kernels read images whose channels lie next to each other, at any other strides (slices,
reversed, broadcast); an image with another order is copied to channels last first.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array, Shape, adjacent_channels, aligned, empty_channels_last
from ..native import native, why_not
from ..registry import register
from .spec import ConvSpec

_FORWARD, _DGRAD, _WGRAD = range(3)


def _supports(a: Array, b: Array, **_: object) -> str | None:
    if native is None:
        return f"C++ kernels {why_not()}"
    if a.dtype != b.dtype or a.dtype not in (np.float32, np.float64):
        return f"takes two float32 or two float64 arrays, got {a.dtype} and {b.dtype}"
    return None


def _params(spec: ConvSpec) -> tuple[int, ...]:
    return (*spec.stride, *spec.padding, *spec.dilation, spec.groups)


def _conv2d(x: Array, w: Array, *, spec: ConvSpec, plain_loops: bool) -> Array:
    y = empty_channels_last(np, spec.out_shape(x.shape, w.shape), x.dtype)
    native.conv2d(_FORWARD, plain_loops, adjacent_channels(x), aligned(w), y, _params(spec))
    return y


def _dgrad(gy: Array, w: Array, *, spec: ConvSpec, x_shape: Shape, plain_loops: bool) -> Array:
    spec.check_dgrad(gy.shape, w.shape, x_shape)
    gx = empty_channels_last(np, x_shape, gy.dtype)
    native.conv2d(_DGRAD, plain_loops, gx, aligned(w), adjacent_channels(gy), _params(spec))
    return gx


def _wgrad(x: Array, gy: Array, *, spec: ConvSpec, w_shape: Shape, plain_loops: bool) -> Array:
    spec.check_wgrad(x.shape, gy.shape, w_shape)
    gw = np.empty(w_shape, x.dtype)
    native.conv2d(
        _WGRAD, plain_loops, adjacent_channels(x), gw, adjacent_channels(gy), _params(spec)
    )
    return gw


@register("conv2d", "cpp", "implicit_gemm", supports=_supports, exact=True)
def conv2d(x: Array, w: Array, *, spec: ConvSpec) -> Array:
    """Convolve. Shapes: x (N, C, H, W), w (O, C/groups, R, S) -> y (N, O, P, Q)."""
    return _conv2d(x, w, spec=spec, plain_loops=False)


@register("conv2d_dgrad", "cpp", "implicit_gemm", supports=_supports, exact=True)
def conv2d_dgrad(gy: Array, w: Array, *, spec: ConvSpec, x_shape: Shape) -> Array:
    """Transposed convolution. Shapes: gy (N, O, P, Q), w (O, C/groups, R, S) -> gx ``x_shape``."""
    return _dgrad(gy, w, spec=spec, x_shape=x_shape, plain_loops=False)


@register("conv2d_wgrad", "cpp", "implicit_gemm", supports=_supports, exact=True)
def conv2d_wgrad(x: Array, gy: Array, *, spec: ConvSpec, w_shape: Shape) -> Array:
    """Weight gradient. Shapes: x (N, C, H, W), gy (N, O, P, Q) -> gw ``w_shape``, C order."""
    return _wgrad(x, gy, spec=spec, w_shape=w_shape, plain_loops=False)


@register("conv2d", "cpp", "direct", supports=_supports, accumulate="float64", exact=True)
def conv2d_direct(x: Array, w: Array, *, spec: ConvSpec) -> Array:
    """Convolve with plain loops; shapes as in ``conv2d``."""
    return _conv2d(x, w, spec=spec, plain_loops=True)


@register("conv2d_dgrad", "cpp", "direct", supports=_supports, accumulate="float64", exact=True)
def conv2d_dgrad_direct(gy: Array, w: Array, *, spec: ConvSpec, x_shape: Shape) -> Array:
    """Transposed convolution with plain loops; shapes as in ``conv2d_dgrad``."""
    return _dgrad(gy, w, spec=spec, x_shape=x_shape, plain_loops=True)


@register("conv2d_wgrad", "cpp", "direct", supports=_supports, accumulate="float64", exact=True)
def conv2d_wgrad_direct(x: Array, gy: Array, *, spec: ConvSpec, w_shape: Shape) -> Array:
    """Weight gradient with plain loops; shapes as in ``conv2d_wgrad``."""
    return _wgrad(x, gy, spec=spec, w_shape=w_shape, plain_loops=True)
