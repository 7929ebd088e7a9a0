"""CUDA convolutions (csrc/conv2d): products whose matrix of pixels is gathered, and plain loops.

``implicit_gemm`` takes one group; ``direct`` has a thread an output and takes everything.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from ..arrays import Array, Shape, empty_channels_last, xp_of
from ..cuda import cuda_refusal, launch, register_cuda
from ..cuda.images import pixels_of
from ..cuda.products import MOST_ENTRIES, ProductPlan, add_splits, product_plan
from ..cuda.spec import over
from ..matmul.cuda import matmul
from ..reduce.rows import c_order
from .spec import ConvSpec

_MOST_SIZE = 2**29  # of a padded axis or a step: coordinates are 32 bits
_MOST_PHASES = 65535  # blocks along the grid's third axis
_NHWC = (0, 2, 3, 1)


def _refusal(a: Array, b: Array, x: Shape, w: Shape, spec: ConvSpec) -> str | None:
    """Return why no CUDA kernel takes this convolution, or None; the launcher checks shapes."""
    if reason := cuda_refusal(a, b):
        return reason
    if not math.prod(x) or not math.prod(w):
        return f"takes at least one element, got {x} and {w}"
    if len(x) != 4 or len(w) != 4:
        return None
    padded = [x[axis + 2] + 2 * spec.padding[axis] for axis in (0, 1)]
    reach = [spec.reach(w[axis + 2], axis) for axis in (0, 1)]
    if max(*padded, *reach, *spec.stride) > _MOST_SIZE:
        return f"takes padded sizes and strides of at most {_MOST_SIZE}"
    outs = [(padded[axis] - reach[axis]) // spec.stride[axis] + 1 for axis in (0, 1)]
    most = max(math.prod(x), math.prod(w), x[0] * w[0] * math.prod(outs))
    return None if most <= MOST_ENTRIES else f"takes at most {MOST_ENTRIES} entries, got {most}"


def _supports(x: Array, w: Array, *, spec: ConvSpec) -> str | None:
    return _refusal(x, w, x.shape, w.shape, spec)


def _one_group(spec: ConvSpec) -> str | None:
    return None if spec.groups == 1 else f"takes groups=1, got {spec.groups}"


def _supports_gemm(x: Array, w: Array, *, spec: ConvSpec) -> str | None:
    return _one_group(spec) or _supports(x, w, spec=spec)


def _packed(spec: ConvSpec, x: Shape, w: Shape, y: Shape) -> bytes:
    """Return the sizes as a TgConv."""
    steps = (*spec.stride, *spec.padding, *spec.dilation, spec.groups)
    return struct.pack("16i", *x, *y[1:], *w[2:], *steps)


def _pack(w: Array) -> Array:
    """Return w (O, C, R, S) as (R, S, C, O)."""
    o, c, r, s = w.shape
    packed: Array = xp_of(w).empty((r, s, c, o), "f4")
    launch("conv2d_pack", w=c_order(w), packed=packed, outputs=o, channels=c, taps=r * s)
    return packed


def _product(entry: str, out: Array, plan: ProductPlan, **arguments: Any) -> None:
    """Launch a product by its plan, and add its splits up; ``out`` is dense."""
    room = plan.room(out)
    launch(f"{entry}_{plan.tile}", out=room, chunk=plan.chunk, **arguments)
    if plan.splits > 1:
        add_splits(room, out)


@register_cuda("conv2d", "implicit_gemm", supports=_supports_gemm, exact=True)
def conv2d(x: Array, w: Array, *, spec: ConvSpec) -> Array:
    """Convolve. Shapes: x (N, C, H, W), w (O, C, R, S) -> y (N, O, P, Q)."""
    shape = spec.out_shape(x.shape, w.shape)
    y = empty_channels_last(xp_of(x), shape, "f4")
    m, n, depth = shape[0] * shape[2] * shape[3], shape[1], math.prod(w.shape[1:])
    _product(
        "conv2d",
        y.transpose(_NHWC),
        product_plan(m, n, depth, thin=True),
        x=pixels_of(x),
        w=_pack(w),
        m=m,
        n=n,
        depth=depth,
        conv=_packed(spec, x.shape, w.shape, shape),
    )
    return y


def _supports_dgrad(gy: Array, w: Array, *, spec: ConvSpec, x_shape: Shape) -> str | None:
    return _refusal(gy, w, x_shape, w.shape, spec)


def _supports_dgrad_gemm(gy: Array, w: Array, *, spec: ConvSpec, x_shape: Shape) -> str | None:
    if spec.dilation != (1, 1):
        return f"takes dilation=1, got {spec.dilation}"
    if math.prod(spec.stride) > _MOST_PHASES:
        return f"takes strides of at most {_MOST_PHASES} phases, got {spec.stride}"
    return _one_group(spec) or _supports_dgrad(gy, w, spec=spec, x_shape=x_shape)


@register_cuda("conv2d_dgrad", "implicit_gemm", supports=_supports_dgrad_gemm, exact=True)
def conv2d_dgrad(gy: Array, w: Array, *, spec: ConvSpec, x_shape: Shape) -> Array:
    """Transposed convolution. Shapes: gy (N, O, P, Q), w (O, C, R, S) -> gx ``x_shape``."""
    spec.check_dgrad(gy.shape, w.shape, x_shape)
    if gy.shape[2:] == (1, 1) and x_shape[2:] == w.shape[2:] and spec.padding == (0, 0):
        return _from_one_pixel(gy, w)
    gx = empty_channels_last(xp_of(gy), x_shape, "f4")
    sizes = [over(x_shape[axis + 2], spec.stride[axis]) for axis in (0, 1)]  # of the first phase
    taps = [over(w.shape[axis + 2], spec.stride[axis]) for axis in (0, 1)]
    phases = math.prod(min(spec.stride[axis], x_shape[axis + 2]) for axis in (0, 1))
    m, n, depth = x_shape[0] * math.prod(sizes), x_shape[1], math.prod(taps) * len(w)
    _product(
        "conv2d_dgrad",
        gx.transpose(_NHWC),
        product_plan(m, n, depth, items=phases, thin=True),
        gy=pixels_of(gy),
        w=_pack(w),
        m=m,
        n=n,
        depth=depth,
        phases=math.prod(spec.stride),
        conv=_packed(spec, x_shape, w.shape, gy.shape),
    )
    return gx


def _from_one_pixel(gy: Array, w: Array) -> Array:
    """Return gx where the kernel covers the image, as in a DCGAN's first layer: a plain product.

    Phases would multiply by the zeros of all the pixels that gy doesn't have.
    """
    (n, o), (_, c, r, s) = gy.shape[:2], w.shape
    gx = matmul(pixels_of(gy).reshape(n, o), _pack(w).reshape(-1, o).T)
    return gx.reshape(n, r, s, c).transpose(0, 3, 1, 2)


def _supports_wgrad(x: Array, gy: Array, *, spec: ConvSpec, w_shape: Shape) -> str | None:
    return _refusal(x, gy, x.shape, w_shape, spec)


def _supports_wgrad_gemm(x: Array, gy: Array, *, spec: ConvSpec, w_shape: Shape) -> str | None:
    return _one_group(spec) or _supports_wgrad(x, gy, spec=spec, w_shape=w_shape)


@register_cuda("conv2d_wgrad", "implicit_gemm", supports=_supports_wgrad_gemm, exact=True)
def conv2d_wgrad(x: Array, gy: Array, *, spec: ConvSpec, w_shape: Shape) -> Array:
    """Weight gradient. Shapes: x (N, C, H, W), gy (N, O, P, Q) -> gw ``w_shape``, C order."""
    spec.check_wgrad(x.shape, gy.shape, w_shape)
    gw: Array = xp_of(x).empty(w_shape, "f4")
    m, n, depth = w_shape[0], math.prod(w_shape[1:]), gy.size // w_shape[0]
    _product(
        "conv2d_wgrad",
        gw,
        product_plan(m, n, depth),
        x=pixels_of(x),
        gy=pixels_of(gy),
        m=m,
        n=n,
        depth=depth,
        conv=_packed(spec, x.shape, w_shape, gy.shape),
    )
    return gw


@register_cuda("conv2d", "direct", supports=_supports, exact=True)
def conv2d_direct(x: Array, w: Array, *, spec: ConvSpec) -> Array:
    """Convolve with plain loops. Shapes: x (N, C, H, W), w (O, C/groups, R, S) -> (N, O, P, Q)."""
    shape = spec.out_shape(x.shape, w.shape)
    y = empty_channels_last(xp_of(x), shape, "f4")
    sizes = {"count": y.size, "conv": _packed(spec, x.shape, w.shape, shape)}
    launch("conv2d_direct", x=pixels_of(x), w=_pack(w), y=y.transpose(_NHWC), **sizes)
    return y


@register_cuda("conv2d_dgrad", "direct", supports=_supports_dgrad, exact=True)
def conv2d_dgrad_direct(gy: Array, w: Array, *, spec: ConvSpec, x_shape: Shape) -> Array:
    """Transposed convolution with plain loops; shapes as in ``conv2d_dgrad``."""
    spec.check_dgrad(gy.shape, w.shape, x_shape)
    gx = empty_channels_last(xp_of(gy), x_shape, "f4")
    sizes = {"count": gx.size, "conv": _packed(spec, x_shape, w.shape, gy.shape)}
    dense = {"gy": pixels_of(gy), "w": c_order(w), "gx": gx.transpose(_NHWC)}
    launch("conv2d_dgrad_direct", **dense, **sizes)
    return gx


@register_cuda("conv2d_wgrad", "direct", supports=_supports_wgrad, exact=True)
def conv2d_wgrad_direct(x: Array, gy: Array, *, spec: ConvSpec, w_shape: Shape) -> Array:
    """Weight gradient with plain loops; shapes as in ``conv2d_wgrad``."""
    spec.check_wgrad(x.shape, gy.shape, w_shape)
    gw: Array = xp_of(x).empty(w_shape, "f4")
    sizes = {"count": gw.size, "conv": _packed(spec, x.shape, w_shape, gy.shape)}
    launch("conv2d_wgrad_direct", x=pixels_of(x), gy=pixels_of(gy), gw=gw, **sizes)
    return gw
