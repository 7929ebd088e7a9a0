"""References of the pooling family, a closed set of linear maps and one choice of indices.

``avg_pool2d`` and ``avg_pool2d_adjoint`` are each other's adjoint, and so are ``gather2d`` and
``scatter2d``. Max pooling is a gather by an index that it chooses itself: the index is piecewise
constant, so that derivatives of every order come from the gather alone.

All outputs are channels last in memory. A window is taken apart into its R * S offsets: the
elements at offset (r, s) of all windows are one strided slice of the padded input.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..arrays import (
    Array,
    Shape,
    as_channels_last,
    check_cotangent,
    empty_channels_last,
    xp_of,
    zeros_channels_last,
)
from ..registry import register_reference
from .spec import Pair, check_index, output_extents

Slices = tuple[slice, slice, slice, slice]


@register_reference("avg_pool2d")
def avg_pool2d(
    x: Array, *, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool = True
) -> Array:
    """Average every window.

    Shapes: x (N, C, H, W) -> (N, C, P, Q), P = (H + 2 * padding - R) // stride + 1.

    Args:
        x: input.
        kernel: (R, S), extents of a window.
        stride: distance between windows.
        padding: zeros added on every side.
        count_include_pad: divide by R * S everywhere; else by the elements of x in the window.
    """
    xp, extents = xp_of(x), output_extents("avg_pool2d", x.shape, kernel, stride, padding)
    padded = _pad(x, padding, 0)
    y = zeros_channels_last(xp, x.shape[:2] + extents, x.dtype)
    for _, window in _offsets(kernel, stride, extents):
        y += padded[window]
    y /= _counts(x, x.shape, kernel, stride, padding, extents, count_include_pad)
    return y


@register_reference("avg_pool2d_adjoint")
def avg_pool2d_adjoint(
    gy: Array,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool = True,
    x_shape: Shape,
) -> Array:
    """Spread every gy evenly over its window: the adjoint of ``avg_pool2d``, linear in gy.

    Shapes: gy (N, C, P, Q), x_shape (N, C, H, W) -> (N, C, H, W).
    """
    op = "avg_pool2d_adjoint"
    xp, extents = xp_of(gy), output_extents(op, x_shape, kernel, stride, padding)
    check_cotangent(op, gy, (*x_shape[:2], *extents))
    (n, c, h, w), (ph, pw) = x_shape, padding
    share = gy / _counts(gy, x_shape, kernel, stride, padding, extents, count_include_pad)
    padded = zeros_channels_last(xp, (n, c, h + 2 * ph, w + 2 * pw), gy.dtype)
    for _, window in _offsets(kernel, stride, extents):
        padded[window] += share
    return as_channels_last(padded[:, :, ph : ph + h, pw : pw + w])


@register_reference("max_pool2d", exact=True)
def max_pool2d(x: Array, *, kernel: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    """Return the maximum of every window and where it lies, as an index into H * W.

    Of equal maxima the first in row order wins, NaN wins over numbers (the last NaN, as in
    PyTorch), and padding never wins.

    Shapes: x (N, C, H, W) -> (N, C, P, Q), int64 (N, C, P, Q).
    """
    xp, extents = xp_of(x), output_extents("max_pool2d", x.shape, kernel, stride, padding)
    (h, w), shape = x.shape[2:], x.shape[:2] + extents
    padded = _pad(x, padding, -xp.inf)
    best = empty_channels_last(xp, shape, x.dtype)
    index = zeros_channels_last(xp, shape, xp.int64)
    best[...], index[...] = -xp.inf, -1
    for offset, window in _offsets(kernel, stride, extents):
        row, column = (
            xp.arange(extent) * step + (first - pad)
            for extent, step, first, pad in zip(extents, stride, offset, padding, strict=True)
        )
        inside = ((row >= 0) & (row < h))[:, None] & ((column >= 0) & (column < w))  # (P, Q)
        value = padded[window]
        wins = inside & ((value > best) | (value != value) | (index < 0))
        best[...] = xp.where(wins, value, best)
        index[...] = xp.where(wins, row[:, None] * w + column, index)
    return best, index


@register_reference("gather2d", exact=True)
def gather2d(x: Array, index: Array) -> Array:
    """Pick elements of each image plane: y[n, c, p, q] = x[n, c].ravel()[index[n, c, p, q]].

    Shapes: x (N, C, H, W), index int64 (N, C, P, Q) with values in 0 .. H * W - 1 -> (N, C, P, Q).
    """
    check_index("gather2d", x.shape, index.shape)
    n, c, p, q = index.shape
    planes = _planes(x)  # (N, H * W, C)
    y: Array = xp_of(x).take_along_axis(planes, _planes(index), axis=1)
    return y.reshape(n, p, q, c).transpose(0, 3, 1, 2)


@register_reference("scatter2d", exact=True)
def scatter2d(gy: Array, index: Array, *, x_shape: Shape) -> Array:
    """Add every gy to the element that the index names: the adjoint of ``gather2d``.

    Shapes: gy (N, C, P, Q), index int64 (N, C, P, Q), x_shape (N, C, H, W) -> (N, C, H, W).
    """
    check_index("scatter2d", x_shape, index.shape)
    check_cotangent("scatter2d", gy, index.shape)
    xp, (n, c, h, w) = xp_of(gy), x_shape
    image = xp.arange(n)[:, None, None] * (h * w)
    flat = (image + _planes(index)) * c + xp.arange(c)  # position in N, H, W, C order
    gx = xp.zeros(n * h * w * c, dtype=gy.dtype)
    xp.add.at(gx, flat.ravel(), _planes(gy).ravel())
    out: Array = gx.reshape(n, h, w, c).transpose(0, 3, 1, 2)
    return out


def _pad(x: Array, padding: Pair, value: float) -> Array:
    (n, c, h, w), (ph, pw) = x.shape, padding
    padded = empty_channels_last(xp_of(x), (n, c, h + 2 * ph, w + 2 * pw), x.dtype)
    padded[...] = value
    padded[:, :, ph : ph + h, pw : pw + w] = x
    return padded


def _offsets(kernel: Pair, stride: Pair, extents: Pair) -> Iterator[tuple[Pair, Slices]]:
    """Yield each offset (r, s) in a window with the slices that take it from all windows."""
    whole, (p, q) = slice(None), extents
    for r in range(kernel[0]):
        rows = slice(r, r + (p - 1) * stride[0] + 1, stride[0])
        for s in range(kernel[1]):
            yield (r, s), (whole, whole, rows, slice(s, s + (q - 1) * stride[1] + 1, stride[1]))


def _counts(
    like: Array,
    shape: Shape,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    extents: Pair,
    include_pad: bool,
) -> Any:
    """Return the divisor of every window: a number, or an array (P, Q)."""
    if include_pad:
        return kernel[0] * kernel[1]
    xp, along = xp_of(like), []
    axes = zip(shape[2:], kernel, stride, padding, extents, strict=True)
    for extent, k, step, pad, windows in axes:
        first = xp.arange(windows) * step - pad
        along.append(xp.minimum(first + k, extent) - xp.maximum(first, 0))
    return (along[0][:, None] * along[1]).astype(like.dtype)


def _planes(x: Array) -> Array:
    """Return x (N, C, H, W) as (N, H * W, C), a view where x is channels last."""
    n, c, h, w = x.shape
    return as_channels_last(x).transpose(0, 2, 3, 1).reshape(n, h * w, c)
