"""The C++ kernels that take any convolution: ``implicit_gemm`` and ``direct``.

``implicit_gemm`` gathers rows through pointers and keeps tiles of outputs in registers
(csrc/conv2d/gather.cpp, wgrad.cpp); ``direct`` is plain loops (direct.cpp). Both take any stride,
padding, dilation and groups in float32 and float64.
"""

from __future__ import annotations

from ..arrays import Array, Shape
from ..registry import register
from . import cpp_winograd as cpp_winograd  # its kernels are asked before these
from .launch import DIRECT, IMPLICIT_GEMM, conv2d_by, dgrad_by, refusal, wgrad_by
from .spec import ConvSpec


@register("conv2d", "cpp", "implicit_gemm", supports=refusal, exact=True)
def conv2d(x: Array, w: Array, *, spec: ConvSpec) -> Array:
    """Convolve. Shapes: x (N, C, H, W), w (O, C/groups, R, S) -> y (N, O, P, Q)."""
    return conv2d_by(IMPLICIT_GEMM, x, w, spec=spec)


@register("conv2d_dgrad", "cpp", "implicit_gemm", supports=refusal, exact=True)
def conv2d_dgrad(gy: Array, w: Array, *, spec: ConvSpec, x_shape: Shape) -> Array:
    """Transposed convolution. Shapes: gy (N, O, P, Q), w (O, C/groups, R, S) -> gx ``x_shape``."""
    return dgrad_by(IMPLICIT_GEMM, gy, w, spec=spec, x_shape=x_shape)


@register("conv2d_wgrad", "cpp", "implicit_gemm", supports=refusal, exact=True)
def conv2d_wgrad(x: Array, gy: Array, *, spec: ConvSpec, w_shape: Shape) -> Array:
    """Weight gradient. Shapes: x (N, C, H, W), gy (N, O, P, Q) -> gw ``w_shape``, C order."""
    return wgrad_by(IMPLICIT_GEMM, x, gy, spec=spec, w_shape=w_shape)


@register("conv2d", "cpp", "direct", supports=refusal, accumulate="float64", exact=True)
def conv2d_direct(x: Array, w: Array, *, spec: ConvSpec) -> Array:
    """Convolve with plain loops; shapes as in ``conv2d``."""
    return conv2d_by(DIRECT, x, w, spec=spec)


@register("conv2d_dgrad", "cpp", "direct", supports=refusal, accumulate="float64", exact=True)
def conv2d_dgrad_direct(gy: Array, w: Array, *, spec: ConvSpec, x_shape: Shape) -> Array:
    """Transposed convolution with plain loops; shapes as in ``conv2d_dgrad``."""
    return dgrad_by(DIRECT, gy, w, spec=spec, x_shape=x_shape)


@register("conv2d_wgrad", "cpp", "direct", supports=refusal, accumulate="float64", exact=True)
def conv2d_wgrad_direct(x: Array, gy: Array, *, spec: ConvSpec, w_shape: Shape) -> Array:
    """Weight gradient with plain loops; shapes as in ``conv2d_wgrad``."""
    return wgrad_by(DIRECT, x, gy, spec=spec, w_shape=w_shape)
