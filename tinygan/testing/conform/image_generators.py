"""Large operands of the kernels that read images by windows: filters, interpolation, pooling."""

from __future__ import annotations

from typing import Any

from ...kernels.arrays import Array, Shape
from ...kernels.conv2d.spec import ConvSpec
from ...kernels.pool2d.spec import output_extents
from ...kernels.resize2d.spec import ResizeSpec
from ...kernels.resize2d.weights import MODES
from ...kernels.unfold.spec import UnfoldSpec
from ...kernels.upfirdn2d.spec import UpfirdnSpec
from ..choices import Choices
from .generators import Operands, generator, image_shape


def _filtering(c: Choices) -> tuple[UpfirdnSpec, Shape, Shape]:
    """Choose a filtering, and the shapes of x and f; the padding is room for the filter."""
    up, down = c.shape(2, 3), c.shape(2, 2)
    f = (c.integer(2, 7), c.integer(2, 7))  # several taps of a pixel, also where up is 3
    spec = UpfirdnSpec(
        up=(up[0], up[1]),
        down=(down[0], down[1]),
        padding=((f[0], c.integer(-1, 1)), (f[1], c.integer(-1, 1))),
        flip=c.chance(2),
    )
    x = (c.integer(1, 5), c.pick(3, 16, 33, 64, 70), c.integer(2, 13), c.integer(2, 18))
    return spec, x, f


@generator("upfirdn2d", large=True)
def _upfirdn2d(c: Choices) -> Operands:
    spec, x, f = _filtering(c)
    return [c.normal(x), c.normal(f)], {"spec": spec}


@generator("upfirdn2d_fgrad", large=True)
def _upfirdn2d_fgrad(c: Choices) -> Operands:
    spec, x, f = _filtering(c)
    return [c.normal(x), c.normal(spec.out_shape(x, f))], {"spec": spec, "f_shape": f}


def _resizing(c: Choices) -> tuple[ResizeSpec, Shape]:
    n, channels, h, w = image_shape(c)
    out = (c.integer(1, 13), c.integer(1, 18))
    return ResizeSpec(size=(h, w), out=out, mode=c.pick(*MODES)), (n, channels, h, w)


@generator("resize2d", large=True)
def _resize2d(c: Choices) -> Operands:
    spec, x = _resizing(c)
    return [c.normal(x)], {"spec": spec}


@generator("resize2d_adjoint", large=True)
def _resize2d_adjoint(c: Choices) -> Operands:
    spec, x = _resizing(c)
    return [c.normal((*x[:2], *spec.out))], {"spec": spec}


def _pooling(c: Choices) -> tuple[dict[str, Any], Shape, Shape]:
    """Choose a pooling, and the shapes of x and y."""
    kernel, stride = c.pick((2, 2), (3, 3), (3, 2), (1, 4)), c.pick((2, 2), (1, 3), (3, 1))
    padding = (c.integer(0, kernel[0] // 2), c.integer(0, kernel[1] // 2))
    n, channels, h, w = image_shape(c)
    params = {"kernel": kernel, "stride": stride, "padding": padding}
    x = (n, channels, h + 3, w + 4)
    return params, x, (n, channels, *output_extents("pool2d", x, **params))


@generator("avg_pool2d", large=True)
def _avg_pool2d(c: Choices) -> Operands:
    params, x, _ = _pooling(c)
    return [c.normal(x)], {**params, "count_include_pad": c.chance(2)}


@generator("avg_pool2d_adjoint", large=True)
def _avg_pool2d_adjoint(c: Choices) -> Operands:
    params, x, y = _pooling(c)
    return [c.normal(y)], {**params, "count_include_pad": c.chance(2), "x_shape": x}


@generator("max_pool2d", large=True)
def _max_pool2d(c: Choices) -> Operands:
    params, x, _ = _pooling(c)
    return [c.normal(x)], params


def _picks(c: Choices) -> tuple[Shape, Array]:
    """Choose the shape of an image, and positions in its pixels."""
    x = image_shape(c)
    picks = (*x[:2], c.integer(1, 9), c.integer(1, 13))
    return x, c.integers(picks, 0, x[2] * x[3])


@generator("gather2d", large=True)
def _gather2d(c: Choices) -> Operands:
    x, index = _picks(c)
    return [c.normal(x), index], {}


@generator("scatter2d", large=True)
def _scatter2d(c: Choices) -> Operands:
    x, index = _picks(c)
    return [c.normal(index.shape), index], {"x_shape": x}


def _windows(c: Choices) -> tuple[UnfoldSpec, Shape]:
    kernel = (c.integer(1, 4), c.integer(1, 5))
    conv = ConvSpec.of(
        stride=(c.integer(1, 3), c.integer(1, 3)), padding=(kernel[0] // 2, kernel[1] // 2)
    )
    n, channels, h, w = image_shape(c)
    return UnfoldSpec(kernel, conv), (n, channels, h + 3, w + 4)


@generator("unfold", large=True)
def _unfold(c: Choices) -> Operands:
    spec, x = _windows(c)
    return [c.normal(x)], {"spec": spec}


@generator("fold", large=True)
def _fold(c: Choices) -> Operands:
    spec, x = _windows(c)
    return [c.normal(spec.cols_shape("fold", x))], {"spec": spec, "x_shape": x}


@generator("pixel_shuffle", large=True)
def _pixel_shuffle(c: Choices) -> Operands:
    n, channels, h, w = image_shape(c)
    r = c.pick(1, 2, 2, 3)
    return [c.normal((n, channels * r * r, h, w))], {"factor": r}


@generator("pixel_unshuffle", large=True)
def _pixel_unshuffle(c: Choices) -> Operands:
    n, channels, h, w = image_shape(c)
    r = c.pick(1, 2, 2, 3)
    return [c.normal((n, channels, h * r, w * r))], {"factor": r}
