"""Interpolation of images as PyTorch's ``F.interpolate`` does it: a linear map and its adjoint.

Nearest upsampling by whole factors is the same map.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import Tensor, kernel_op
from ..autograd.linear import as_tensor
from ..autograd.op import Cotangents, Needs, Tensors
from ..errors import DtypeError, OptionError, ShapeError
from ..kernels.conv2d.spec import Pair, pair
from ..kernels.resize2d import ResizeSpec

_resize2d = kernel_op("resize2d", reads="shapes")
_resize2d_adjoint = kernel_op("resize2d_adjoint", reads="shapes")


@_resize2d.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, spec: ResizeSpec) -> Cotangents:
    return (_resize2d_adjoint(g[0], spec=spec),)


@_resize2d_adjoint.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, spec: ResizeSpec) -> Cotangents:
    return (_resize2d(g[0], spec=spec),)


def _image(op: str, x: Any) -> Tensor:
    image = as_tensor(x)
    if image.dtype.kind != "f":
        raise DtypeError(f"{op}: x is {image.dtype}: float32 or float64 fits")
    if image.ndim != 4 or 0 in image.shape[2:]:
        raise ShapeError(f"{op}: x must be (N, C, H, W) with H, W >= 1, got {image.shape}")
    return image


def upsample_nearest(x: Any, scale: int | Pair = 2) -> Tensor:
    """Repeat each pixel ``scale`` times along both axes.

    Shapes: x (N, C, H, W) -> (N, C, scale*H, scale*W). Differentiable: any order.

    Raises:
        ShapeError: x is not 4-d, or an image is empty.
        OptionError: the scale is no int or pair of ints, at least 1.
        DtypeError: x holds no floats.
    """
    x = _image("upsample_nearest", x)
    try:
        sh, sw = pair(scale, "scale")
    except OptionError as error:
        raise OptionError(f"upsample_nearest: {error}") from None
    if sh < 1 or sw < 1:
        raise OptionError(f"upsample_nearest: scale must be at least 1, got {scale}")
    h, w = x.shape[2:]
    # by whole factors this mode repeats pixels too, and counts in integers; "nearest" counts in
    # float32, as PyTorch does, and is off by a pixel from a factor of 41 on
    return _resize2d(x, spec=ResizeSpec((h, w), (h * sh, w * sw), "area"))


def interpolate(
    x: Any,
    size: int | Pair | None = None,
    scale_factor: float | tuple[float, float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    *,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize images; give either ``size`` or ``scale_factor``.

    Shapes: x (N, C, H, W) -> (N, C, P, Q), (P, Q) = ``size`` or floor((H, W) * scale_factor).

    Args:
        x: images.
        size: P and Q.
        scale_factor: factor of the sizes, (height, width) or one number. Pixels are spaced by its
            inverse, not by H / P, which differs where the size is rounded. ``bilinear`` and
            ``antialias`` leave an axis as it is whose size stays, as PyTorch does.
        mode: ``nearest``, ``nearest-exact``, ``bilinear``, ``bicubic`` (a = -3/4) or ``area``
            (the mean over the pixels that an output pixel touches).
        align_corners: for ``bilinear`` and ``bicubic``: the centres of the corner pixels coincide,
            rather than their corners.
        recompute_scale_factor: space pixels by H / P even with a ``scale_factor``.
        antialias: for ``bilinear`` and ``bicubic``: where the image shrinks, widen the filter so
            that all pixels are seen, as image libraries do (bicubic then takes a = -1/2).

    Raises:
        ShapeError: x is not 4-d, or an image is empty.
        OptionError: both or neither of size and scale_factor are given, the result would be empty,
            or an option does not fit the mode.
        DtypeError: x holds no floats.

    Differentiable: any order. Source: IEEE TASSP 29(6), 1981 (Keys) for bicubic; conventions as in
    PyTorch. Deviation: weights are made in float64, where PyTorch makes them in the dtype of x.
    """
    x = _image("interpolate", x)
    h, w = x.shape[2:]
    if (size is None) == (scale_factor is None):
        raise OptionError("interpolate: give either size or scale_factor")
    if recompute_scale_factor and scale_factor is None:
        raise OptionError("interpolate: recompute_scale_factor fits scale_factor, not size")
    step = None
    if size is not None:
        out = _size(size)
    else:
        factors = _factors(scale_factor)
        out = math.floor(h * factors[0]), math.floor(w * factors[1])
        if not recompute_scale_factor:
            copies = mode == "bilinear" or antialias  # an axis whose size stays
            step_h = 1.0 if copies and out[0] == h else 1.0 / factors[0]
            step_w = 1.0 if copies and out[1] == w else 1.0 / factors[1]
            step = (step_h, step_w)
    if min(out) < 1:
        raise OptionError(f"interpolate: x {x.shape} would become {out}: at least 1 pixel fits")
    try:
        spec = ResizeSpec((h, w), out, mode, step, bool(align_corners), antialias)
    except OptionError as error:
        raise OptionError(f"interpolate: {error}") from None
    return _resize2d(x, spec=spec)


def _size(size: int | Pair) -> Pair:
    try:
        return pair(size, "size")
    except OptionError as error:
        raise OptionError(f"interpolate: {error}") from None


def _factors(scale_factor: Any) -> tuple[float, float]:
    both = scale_factor if isinstance(scale_factor, tuple | list) else (scale_factor,) * 2
    kinds = int | float | np.integer | np.floating
    if len(both) != 2 or not all(isinstance(f, kinds) and 0 < f < math.inf for f in both):
        raise OptionError(
            f"interpolate: scale_factor={scale_factor!r}: use a positive number or a pair of them"
        )
    return float(both[0]), float(both[1])
