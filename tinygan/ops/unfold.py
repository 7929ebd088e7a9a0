"""unfold (im2col) and fold (col2im): windows to columns and back, each the other's adjoint."""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor, kernel_op
from ..autograd.linear import as_tensor
from ..autograd.op import Cotangents, Needs, Tensors
from ..errors import DtypeError, OptionError, ShapeError
from ..kernels.arrays import Shape
from ..kernels.conv2d.spec import ConvSpec, Pair, pair
from ..kernels.unfold import UnfoldSpec

_unfold = kernel_op("unfold", reads="shapes")
_fold = kernel_op("fold", reads="shapes")


@_unfold.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, spec: UnfoldSpec) -> Cotangents:
    return (_fold(g[0], spec=spec, x_shape=xs[0].shape),)


@_fold.defvjp
def _(
    g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, spec: UnfoldSpec, x_shape: Shape
) -> Cotangents:
    return (_unfold(g[0], spec=spec),)


def _spec(
    op: str, kernel_size: int | Pair, dilation: int | Pair, padding: int | Pair, stride: int | Pair
) -> UnfoldSpec:
    try:
        conv = ConvSpec.of(stride=stride, padding=padding, dilation=dilation)
        return UnfoldSpec(pair(kernel_size, "kernel_size"), conv)
    except OptionError as error:
        raise OptionError(f"{op}: {error}") from None


def _floats(op: str, x: Any, ndim: int, fitting: str) -> Tensor:
    t = as_tensor(x)
    if t.dtype.kind != "f":
        raise DtypeError(f"{op}: x is {t.dtype}: float32 or float64 fits")
    if t.ndim != ndim:
        raise ShapeError(f"{op}: x must be {fitting}, got {t.shape}")
    return t


def unfold(
    x: Any,
    kernel_size: int | Pair,
    dilation: int | Pair = 1,
    padding: int | Pair = 0,
    stride: int | Pair = 1,
) -> Tensor:
    """Copy every window of an image to a column (im2col).

    Shapes: x (N, C, H, W) -> (N, C*R*S, L), where L = P*Q counts the windows row by row, P =
    floor((H + 2*padding - dilation*(R-1) - 1) / stride) + 1. So a convolution is the product
    w.reshape(O, C*R*S) @ unfold(x). In memory one column lies after the other.

    Args:
        x: images.
        kernel_size: R and S.
        dilation: distance of the taps, in pixels.
        padding: zeros around x, in pixels.
        stride: distance of the windows, in pixels.

    Raises:
        ShapeError: x is not 4-d, or no window fits.
        OptionError: an option is of another kind or too small.
        DtypeError: x holds no floats.

    Differentiable: any order. Source: arXiv:1410.0759, section 3.
    """
    x = _floats("unfold", x, 4, "(N, C, H, W)")
    spec = _spec("unfold", kernel_size, dilation, padding, stride)
    spec.cols_shape("unfold", x.shape)
    return _unfold(x, spec=spec)


def fold(
    x: Any,
    output_size: int | Pair,
    kernel_size: int | Pair,
    dilation: int | Pair = 1,
    padding: int | Pair = 0,
    stride: int | Pair = 1,
) -> Tensor:
    """Add columns up to an image, each entry where ``unfold`` would have read it (col2im).

    The adjoint of ``unfold``, not its inverse: where windows overlap, entries add up.

    Shapes: x (N, C*R*S, L) -> (N, C, H, W) with (H, W) = ``output_size``.

    Args:
        x: columns.
        output_size: H and W.
        kernel_size: R and S.
        dilation: distance of the taps, in pixels.
        padding: zeros that were around the image, in pixels.
        stride: distance of the windows, in pixels.

    Raises:
        ShapeError: x is not 3-d, or does not hold the windows of such an image.
        OptionError: an option is of another kind or too small.
        DtypeError: x holds no floats.

    Differentiable: any order.
    """
    x = _floats("fold", x, 3, "(N, C*R*S, L)")
    spec = _spec("fold", kernel_size, dilation, padding, stride)
    taps, (h, w) = spec.kernel[0] * spec.kernel[1], pair(output_size, "output_size")
    shape = (x.shape[0], x.shape[1] // taps, h, w)
    spec.check_fold(x.shape, shape)
    return _fold(x, spec=spec, x_shape=shape)
