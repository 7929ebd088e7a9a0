"""CUDA unfold and fold (csrc/unfold/unfold.cu): a thread an element of the output, no atomics."""

from __future__ import annotations

import math
from typing import Any

from ..arrays import Array, Shape, xp_of
from ..cuda import launch, register_cuda
from ..cuda.images import empty_image, image_refusal, pixels_of, windows
from ..reduce.rows import c_order
from .spec import UnfoldSpec


def _supports_unfold(x: Array, *, spec: UnfoldSpec) -> str | None:
    return image_refusal(x, out=spec.cols_shape("unfold", x.shape))


def _supports_fold(cols: Array, *, spec: UnfoldSpec, x_shape: Shape) -> str | None:
    return image_refusal(cols, out=x_shape)


def _shape(spec: UnfoldSpec, op: str, x: Shape) -> dict[str, Any]:
    """Return the windows over images of shape x (N, C, H, W), as unfold.cu takes them."""
    conv, (dilation_h, dilation_w) = spec.conv, spec.conv.dilation
    shape = windows(x[2:], spec.windows(op, x), spec.kernel, conv.stride, conv.padding)
    sizes = {"channels": x[1], "dilation_h": dilation_h, "dilation_w": dilation_w}
    return {**sizes, "shape": shape}


@register_cuda("unfold", "direct", supports=_supports_unfold, accumulate="input", exact=True)
def unfold(x: Array, *, spec: UnfoldSpec) -> Array:
    """Copy every window to a column. Shapes: x (N, C, H, W) -> cols (N, C R S, P Q)."""
    n, depth, count = spec.cols_shape("unfold", x.shape)
    cols: Array = xp_of(x).empty((n, count, depth), "f4")
    sizes = {"count": cols.size, **_shape(spec, "unfold", x.shape)}
    launch("unfold", x=pixels_of(x), cols=cols, **sizes)
    return cols.transpose(0, 2, 1)


@register_cuda("fold", "direct", supports=_supports_fold, exact=True)
def fold(cols: Array, *, spec: UnfoldSpec, x_shape: Shape) -> Array:
    """Add columns back to images. Shapes: cols (N, C R S, P Q) -> x ``x_shape``."""
    spec.check_fold(cols.shape, x_shape)
    x, pixels = empty_image(cols, x_shape)
    sizes = {"count": math.prod(x_shape), **_shape(spec, "fold", x_shape)}
    launch("fold", cols=c_order(cols.transpose(0, 2, 1)), x=pixels, **sizes)
    return x
