"""CUDA pooling (csrc/pool2d/pool2d.cu): a thread an element of the output; scatter by slabs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, Shape, check_cotangent, empty_channels_last, xp_of
from ..cuda import launch, register_cuda
from ..cuda.images import empty_image, extents, image_refusal, pixels_of, windows
from .spec import Pair, check_index, output_extents

_FULL, _MOST_SLABS = 2**17, 32  # threads that keep an H100 busy with a scatter; readings of index


def _supports(x: Array, *, x_shape: Shape = (), **_: object) -> str | None:
    return image_refusal(x, out=x_shape)


def _supports_index(x: Array, index: Array, *, x_shape: Shape = ()) -> str | None:
    if index.dtype != np.int64 or not index.size:
        return f"takes some indices of int64, got {index.dtype} {index.shape}"
    return image_refusal(x, out=x_shape) or image_refusal(out=index.shape)


def _sizes(shape: Shape) -> dict[str, int]:
    sizes = extents(shape)
    return {"count": sizes["count"], "channels": sizes["channels"]}


@register_cuda("avg_pool2d", "windows", supports=_supports)
def avg_pool2d(
    x: Array, *, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool = True
) -> Array:
    """Average every window; see the reference."""
    out = output_extents("avg_pool2d", x.shape, kernel, stride, padding)
    y, pixels = empty_image(x, x.shape[:2] + out)
    shape = windows(x.shape[2:], out, kernel, stride, padding)
    options = {"include_pad": int(count_include_pad), "shape": shape}
    launch("avg_pool2d", x=pixels_of(x), y=pixels, **_sizes(y.shape), **options)
    return y


@register_cuda("avg_pool2d_adjoint", "windows", supports=_supports)
def avg_pool2d_adjoint(
    gy: Array,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool = True,
    x_shape: Shape,
) -> Array:
    """Spread every gy evenly over its window; see the reference."""
    op = "avg_pool2d_adjoint"
    out = output_extents(op, x_shape, kernel, stride, padding)
    check_cotangent(op, gy, (*x_shape[:2], *out))
    gx, pixels = empty_image(gy, x_shape)
    shape = windows(x_shape[2:], out, kernel, stride, padding)
    options = {"include_pad": int(count_include_pad), "shape": shape}
    launch(op, gy=pixels_of(gy), gx=pixels, **_sizes(x_shape), **options)
    return gx


@register_cuda("max_pool2d", "windows", supports=_supports, accumulate="input", exact=True)
def max_pool2d(x: Array, *, kernel: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    """Return the maximum of every window and where it lies; see the reference."""
    out = output_extents("max_pool2d", x.shape, kernel, stride, padding)
    y, pixels = empty_image(x, x.shape[:2] + out)
    index = empty_channels_last(xp_of(x), y.shape, np.dtype(np.int64))
    shape = windows(x.shape[2:], out, kernel, stride, padding)
    results: dict[str, Any] = {"y": pixels, "index": index.transpose(0, 2, 3, 1)}
    launch("max_pool2d", x=pixels_of(x), **results, **_sizes(y.shape), shape=shape)
    return y, index


@register_cuda("gather2d", "picks", supports=_supports_index, accumulate="input", exact=True)
def gather2d(x: Array, index: Array) -> Array:
    """Pick elements of each image plane; see the reference."""
    check_index("gather2d", x.shape, index.shape)
    y, pixels = empty_image(x, index.shape)
    planes = {"pixels": x.shape[2] * x.shape[3], "picks": index.shape[2] * index.shape[3]}
    operands = {"x": pixels_of(x), "index": pixels_of(index)}
    launch("gather2d", **operands, y=pixels, **_sizes(index.shape), **planes)
    return y


@register_cuda("scatter2d", "slabs", supports=_supports_index, exact=True)
def scatter2d(gy: Array, index: Array, *, x_shape: Shape) -> Array:
    """Add every gy to the element that the index names; see the reference."""
    check_index("scatter2d", x_shape, index.shape)
    check_cotangent("scatter2d", gy, index.shape)
    gx, pixels = empty_image(gy, x_shape)
    n, channels, h, w = x_shape
    slabs = max(1, min(_FULL // (n * channels), _MOST_SLABS, h * w))
    launch(
        "scatter2d",
        gy=pixels_of(gy),
        index=pixels_of(index),
        gx=pixels,
        threads=n * slabs * channels,
        channels=channels,
        pixels=h * w,
        picks=index.shape[2] * index.shape[3],
        slabs=slabs,
    )
    return gx
