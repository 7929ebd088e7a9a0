"""Pooling and pixel shuffle: linear maps, each with its adjoint.

Average pooling and its adjoint are each other's vjp. Max pooling chooses an index once and is then
the linear map that gathers by it, whose adjoint scatters.
"""

from __future__ import annotations

from typing import Any

from .. import kernels
from ..autograd import Op, Tensor, kernel_op
from ..autograd.linear import as_tensor
from ..autograd.op import Cotangents, Needs, Tensors
from ..errors import OptionError, ShapeError
from ..kernels.conv2d.spec import Pair, pair

_avg_pool2d = kernel_op("avg_pool2d", reads="shapes")
_avg_pool2d_adjoint = kernel_op("avg_pool2d_adjoint", reads="shapes")


@_avg_pool2d.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, **window: Any) -> Cotangents:
    return (_avg_pool2d_adjoint(g[0], x_shape=xs[0].shape, **window),)


@_avg_pool2d_adjoint.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, x_shape: Any, **w: Any) -> Cotangents:
    return (_avg_pool2d(g[0], **w),)


_gather2d = kernel_op("gather2d", reads=slice(1, 2))
_scatter2d = kernel_op("scatter2d", reads=slice(1, 2))


@_gather2d.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs) -> Cotangents:
    x, index = xs
    return _scatter2d(g[0], index, x_shape=x.shape), None


@_scatter2d.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, x_shape: Any) -> Cotangents:
    return _gather2d(g[0], xs[1]), None


# What the kernel picked, recorded with the index by which it did: the rule does not look again.
_max_pool2d = Op("max_pool2d", lambda x, index, y: y, reads="shapes")


@_max_pool2d.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs) -> Cotangents:
    return _scatter2d(g[0], xs[1], x_shape=xs[0].shape), None, None


def _window(
    op: str, kernel_size: int | Pair, stride: int | Pair | None, padding: int | Pair
) -> dict[str, Pair]:
    """Return the parameters of a pooling window as pairs; ``stride`` is ``kernel_size`` if None."""
    try:
        return {
            "kernel": pair(kernel_size, "kernel_size"),
            "stride": pair(kernel_size if stride is None else stride, "stride"),
            "padding": pair(padding, "padding"),
        }
    except OptionError as error:
        raise OptionError(f"{op}: {error}") from None


def _image(op: str, x: Any) -> Tensor:
    image = as_tensor(x)
    if image.ndim != 4:
        raise ShapeError(f"{op}: x must be (N, C, H, W), got {image.shape}")
    return image


def avg_pool2d(
    x: Any,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    *,
    count_include_pad: bool = True,
) -> Tensor:
    """Average each window; ``stride`` is ``kernel_size`` if None.

    Shapes: x (N, C, H, W) -> (N, C, P, Q), P = floor((H + 2*padding - R) / stride) + 1.
    ``count_include_pad`` False divides by the entries of x in the window alone.

    Raises:
        ShapeError: x is not 4-d, or no window fits.
        OptionError: padding exceeds half of the window.

    Differentiable: any order.
    """
    return _avg_pool2d(
        _image("avg_pool2d", x),
        **_window("avg_pool2d", kernel_size, stride, padding),
        count_include_pad=count_include_pad,
    )


def max_pool2d(
    x: Any, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0
) -> Tensor:
    """Take the largest entry of each window (the first of equals; NaN wins).

    Shapes: x (N, C, H, W) -> (N, C, P, Q), P = floor((H + 2*padding - R) / stride) + 1.

    Raises:
        ShapeError: x is not 4-d, or no window fits.
        OptionError: padding exceeds half of the window.

    Differentiable: any order, off ties.
    """
    x = _image("max_pool2d", x)
    window = _window("max_pool2d", kernel_size, stride, padding)
    y, index = kernels.call("max_pool2d", x.data, **window)
    return _max_pool2d(x, Tensor(index), Tensor(y))


_pixel_shuffle = kernel_op("pixel_shuffle", reads="shapes")
_pixel_unshuffle = kernel_op("pixel_unshuffle", reads="shapes")
_pixel_shuffle.defvjp(lambda g, y, xs, needs, *, factor: (_pixel_unshuffle(g[0], factor=factor),))
_pixel_unshuffle.defvjp(lambda g, y, xs, needs, *, factor: (_pixel_shuffle(g[0], factor=factor),))


def pixel_shuffle(x: Any, upscale_factor: int) -> Tensor:
    """Rearrange r*r channels into an r-times finer grid.

    Shapes: x (N, C*r*r, H, W) -> (N, C, H*r, W*r). Differentiable: any order.
    Source: arXiv:1609.05158.

    Raises:
        ShapeError: x is not 4-d, or its channels are no multiple of r*r.
    """
    x = _image("pixel_shuffle", x)
    if upscale_factor < 1 or x.shape[1] % upscale_factor**2:
        raise ShapeError(
            f"pixel_shuffle: {x.shape[1]} channels are no multiple of {upscale_factor}**2"
        )
    return _pixel_shuffle(x, factor=upscale_factor)


def pixel_unshuffle(x: Any, downscale_factor: int) -> Tensor:
    """Undo ``pixel_shuffle``: r x r blocks of pixels become channels.

    Shapes: x (N, C, H*r, W*r) -> (N, C*r*r, H, W). Differentiable: any order.

    Raises:
        ShapeError: x is not 4-d, or its sizes are no multiples of r.
    """
    x = _image("pixel_unshuffle", x)
    if downscale_factor < 1 or any(n % downscale_factor for n in x.shape[2:]):
        raise ShapeError(
            f"pixel_unshuffle: {x.shape[2:]} pixels are no multiples of {downscale_factor}"
        )
    return _pixel_unshuffle(x, factor=downscale_factor)
