"""Convolutions along one and three axes, made of conv2d.

A 1-d convolution is conv2d on images of height 1. A 3-d convolution is a 2-d one of more channels:
with the depth slices that tap t sees as channels (c, t), conv2d adds up over t as it does over c,

    conv3d           = conv2d . unfold          unfold along the depth: T slices for each output
    conv_transpose3d = fold . conv_transpose2d  the adjoints in the opposite order

Slices are folded into the batch. In memory all of it stays (N, D, H, W, C), so that nothing but
unfold copies.
"""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor
from ..autograd.linear import as_tensor, reshape, transpose
from ..kernels.arrays import Shape
from ..kernels.conv2d.spec import ConvSpec
from .activation import bias_act
from .conv import conv2d, conv_transpose2d
from .conv_check import check
from .unfold import fold, unfold

Triple = tuple[int, int, int]


def conv1d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: int | tuple[int] = 1,
    padding: int | tuple[int] = 0,
    dilation: int | tuple[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlate sequences with filters.

    Shapes: x (N, C, L), w (O, C/groups, R), b (O,) -> (N, O, P), where
    P = floor((L + 2*padding - dilation*(R-1) - 1) / stride) + 1.

    Raises:
        ShapeError: the shapes do not fit.
        DtypeError: x, w and b differ in dtype.
        OptionError: an option is of another kind or too small.

    Differentiable: any order.
    """
    x, w = as_tensor(x), as_tensor(w)
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    sizes = check("conv1d", 1, x, w, b, groups, window)
    y = conv2d(
        reshape(x, (*x.shape[:2], 1, x.shape[2])),
        reshape(w, (*w.shape[:2], 1, w.shape[2])),
        b,
        stride=(1, sizes["stride"][0]),
        padding=(0, sizes["padding"][0]),
        dilation=(1, sizes["dilation"][0]),
        groups=groups,
    )
    return reshape(y, (*y.shape[:2], y.shape[3]))


def conv_transpose1d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: int | tuple[int] = 1,
    padding: int | tuple[int] = 0,
    output_padding: int | tuple[int] = 0,
    dilation: int | tuple[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Apply the adjoint of ``conv1d``.

    Shapes: x (N, C, P), w (C, O/groups, R), b (O,) -> (N, O, L), where
    L = (P-1)*stride - 2*padding + dilation*(R-1) + 1 + output_padding.

    Raises:
        ShapeError: the shapes do not fit.
        DtypeError: x, w and b differ in dtype.
        OptionError: an option is of another kind or too small.

    Differentiable: any order.
    """
    x, w = as_tensor(x), as_tensor(w)
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    window["output_padding"] = output_padding
    sizes = check("conv_transpose1d", 1, x, w, b, groups, window)
    y = conv_transpose2d(
        reshape(x, (*x.shape[:2], 1, x.shape[2])),
        reshape(w, (*w.shape[:2], 1, w.shape[2])),
        b,
        stride=(1, sizes["stride"][0]),
        padding=(0, sizes["padding"][0]),
        output_padding=(0, sizes["output_padding"][0]),
        dilation=(1, sizes["dilation"][0]),
        groups=groups,
    )
    return reshape(y, (*y.shape[:2], y.shape[3]))


def _slices(x: Tensor) -> Tensor:
    """Return x (N, C, D, H, W) as images (N*D, C, H, W)."""
    n, c, d, h, w = x.shape
    return reshape(transpose(x, 0, 2, 1, 3, 4), (n * d, c, h, w))


def _volume(images: Tensor, n: int, d: int) -> Tensor:
    """Return images (N*D, C, H, W) as (N, C, D, H, W)."""
    return transpose(reshape(images, (n, d, *images.shape[1:])), 0, 2, 1, 3, 4)


def _flat_depth(x: Tensor) -> Tensor:
    """Return x (N, C, D, H, W) as images (N, H*W*C, D, 1), whose rows are the depth slices."""
    n, c, d, h, w = x.shape
    rows = reshape(transpose(x, 0, 2, 3, 4, 1), (n, d, 1, h * w * c))
    return transpose(rows, 0, 3, 1, 2)


def conv3d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: int | Triple = 1,
    padding: int | Triple = 0,
    dilation: int | Triple = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlate volumes (or clips) with filters.

    Shapes: x (N, C, D, H, W), w (O, C/groups, T, R, S), b (O,) -> (N, O, D', P, Q), where
    D' = floor((D + 2*padding - dilation*(T-1) - 1) / stride) + 1, and so P and Q.

    Args:
        x: volumes.
        w: filters.
        b: one number a channel.
        stride: step of the window, an int or (depth, height, width).
        padding: zeros around x.
        dilation: distance of the taps.
        groups: independent groups of channels.

    Raises:
        ShapeError: the shapes do not fit.
        DtypeError: x, w and b differ in dtype.
        OptionError: an option is of another kind or too small.

    Differentiable: any order. Memory: a copy of x for each of the T slices of the filter.
    """
    x, w = as_tensor(x), as_tensor(w)
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    sizes = check("conv3d", 3, x, w, b, groups, window)
    (sd, *s), (pd, *p), (dd, *d) = (sizes[name] for name in window)
    o, c, t, r, width = w.shape
    n, channels, _, height, columns = x.shape
    seen = unfold(_flat_depth(x), (t, 1), (dd, 1), (pd, 0), (sd, 1))  # (N, H W C T, D')
    depth = seen.shape[2]
    stacked = (n * depth, height, columns, channels * t)
    images = transpose(reshape(transpose(seen, 0, 2, 1), stacked), 0, 3, 1, 2)
    y = conv2d(
        images,
        reshape(w, (o, c * t, r, width)),
        b,
        stride=(s[0], s[1]),
        padding=(p[0], p[1]),
        dilation=(d[0], d[1]),
        groups=groups,
    )
    return _volume(y, n, depth)


def conv_transpose3d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: int | Triple = 1,
    padding: int | Triple = 0,
    output_padding: int | Triple = 0,
    dilation: int | Triple = 1,
    groups: int = 1,
) -> Tensor:
    """Apply the adjoint of ``conv3d``.

    Shapes: x (N, C, D', P, Q), w (C, O/groups, T, R, S), b (O,) -> (N, O, D, H, W), where
    D = (D'-1)*stride - 2*padding + dilation*(T-1) + 1 + output_padding, and so H and W.

    Args:
        x: volumes.
        w: filters.
        b: one number a channel.
        stride: step of the window in y, an int or (depth, height, width).
        padding: voxels cut off around y.
        output_padding: voxels added at the far end of each axis of y, fewer than the stride.
        dilation: distance of the taps.
        groups: independent groups of channels.

    Raises:
        ShapeError: the shapes do not fit.
        DtypeError: x, w and b differ in dtype.
        OptionError: an option is of another kind or too small.

    Differentiable: any order. Memory: a copy of y for each of the T slices of the filter.
    """
    x, w = as_tensor(x), as_tensor(w)
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    window["output_padding"] = output_padding
    sizes = check("conv_transpose3d", 3, x, w, b, groups, window)
    (sd, *s), (pd, *p), (dd, *d), (ed, *e) = (sizes[name] for name in window)
    c, o, t, r, width = w.shape
    outer = o * groups
    n, _, slices, _, _ = x.shape
    along = ConvSpec.of(stride=(sd, 1), padding=(pd, 0), dilation=(dd, 1))
    depth = along.transposed_shape((n, 1, slices, 1), (1, 1, t, 1), (ed, 0))[2]
    images = conv_transpose2d(
        _slices(x),
        reshape(w, (c, o * t, r, width)),
        stride=(s[0], s[1]),
        padding=(p[0], p[1]),
        output_padding=(e[0], e[1]),
        dilation=(d[0], d[1]),
        groups=groups,
    )  # (N D', O T, H, W)
    height, columns = images.shape[2:]
    one = height * columns * outer
    rows = reshape(transpose(images, 0, 2, 3, 1), (n, slices, one * t))
    image = (depth, 1)
    spread = fold(transpose(rows, 0, 2, 1), image, (t, 1), (dd, 1), (pd, 0), (sd, 1))
    volume: Shape = (n * depth, height, columns, outer)
    y = transpose(reshape(transpose(spread, 0, 2, 3, 1), volume), 0, 3, 1, 2)
    return _volume(y if b is None else bias_act(y, b, act="linear"), n, depth)
