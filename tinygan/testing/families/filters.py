"""FIR filters, interpolation, windows, border padding, and convolutions of 1 and 3 axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import ops
from ...kernels.resize2d.weights import ANTIALIASED, CORNERED, MODES
from ..choices import Choices
from .conv import conv_axis, conv_channels, conv_filters
from .table import Drawn, family

_CONV = ("conv2d", "conv2d_dgrad", "conv2d_wgrad", "bias_act", "sum")
_RESIZED = ("resize2d", "resize2d_adjoint")
_WINDOWS = ("unfold", "fold")
_WINDOW = ("kernel", "dilation", "padding", "stride")  # in the order of the arguments


# --- filters ---


def _sides(c: Choices, size: int, taps: int, up: int) -> tuple[int, int]:
    """Choose padding, negative too, that leaves at least as many pixels as the filter has taps."""
    before = c.integer(-2, taps)
    return before, max(c.integer(-2, taps), taps - size * up - before)


@family("upfirdn2d", kernels=("upfirdn2d", "upfirdn2d_fgrad"))
def _upfirdn2d(c: Choices) -> Drawn:
    (n, channels), (h, w) = c.shape(2, 3, zero=True), c.shape(2, 4)
    separable = c.chance(3)
    r = c.extent(4)
    s = r if separable else c.extent(4)
    up, down = (c.integer(1, 3), c.integer(1, 3)), (c.integer(1, 3), c.integer(1, 3))
    params: dict[str, Any] = {
        "up": up,
        "down": down,
        "padding": (*_sides(c, w, s, up[1]), *_sides(c, h, r, up[0])),
        "flip_filter": c.chance(2),
        "gain": c.pick(1.0, 4.0),
    }
    f = c.normal((r,) if separable else (r, s))
    return Drawn(lambda x, f: ops.upfirdn2d(x, f, **params), [c.image(n, channels, h, w), f])


@family("interpolate", kernels=_RESIZED)
def _interpolate(c: Choices) -> Drawn:
    (n, channels), (h, w) = c.shape(2, 3, zero=True), c.shape(2, 5)
    mode = c.pick(*MODES)
    params: dict[str, Any] = {"mode": mode}
    if mode in CORNERED:
        params["align_corners"] = c.chance(2)
    if mode in ANTIALIASED:
        params["antialias"] = c.chance(3)
    if c.chance(2):
        params["size"] = (c.extent(6), c.extent(6))
    else:  # at least one pixel is left
        factors = [max(c.pick(0.4, 0.5, 1.0, 1.5, 2.0, 3.0), 1 / size) for size in (h, w)]
        params["scale_factor"] = (factors[0], factors[1])
    return Drawn(lambda x: ops.interpolate(x, **params), [c.image(n, channels, h, w)])


@family("upsample_nearest", kernels=_RESIZED)
def _upsample_nearest(c: Choices) -> Drawn:
    scale = c.integer(1, 3) if c.chance(2) else (c.integer(1, 3), c.integer(1, 3))
    x = c.normal((*c.shape(2, 3, zero=True), c.extent(3), c.extent(3)))
    return Drawn(lambda x: ops.upsample_nearest(x, scale), [x])


# --- windows ---


@family("unfold", kernels=_WINDOWS)
def _unfold(c: Choices) -> Drawn:
    h, w = conv_axis(c, 3), conv_axis(c, 3)
    window = [tuple(getattr(a, key) for a in (h, w)) for key in _WINDOW]
    x = c.normal((*c.shape(2, 3, zero=True), h.size, w.size))
    return Drawn(lambda x: ops.unfold(x, *window), [x])


@family("fold", kernels=_WINDOWS)
def _fold(c: Choices) -> Drawn:
    h, w = conv_axis(c, 3), conv_axis(c, 3)
    window = [tuple(getattr(a, key) for a in (h, w)) for key in _WINDOW]
    n, channels = c.shape(2, 3, zero=True)
    shape = (n, channels * h.kernel * w.kernel, h.out * w.out)
    return Drawn(lambda x: ops.fold(x, (h.size, w.size), *window), [c.normal(shape)])


# --- padding ---


def _padded(
    c: Choices, op: Callable[..., Any], most: Callable[[int], int], *, zero: bool = False
) -> Drawn:
    """Draw an image and a padding of at most so many pixels for the length of an axis."""
    (n, channels), (h, w) = c.shape(2, 2, zero=True), c.shape(2, 4, zero=zero)
    sides = [c.integer(0, most(size)) for size in (w, w, h, h)]
    padding = min(sides) if c.chance(4) else tuple(sides)
    return Drawn(lambda x: op(x, padding), [c.image(n, channels, h, w)])


@family("zero_pad2d")
def _zero_pad2d(c: Choices) -> Drawn:
    return _padded(c, ops.zero_pad2d, lambda size: 3, zero=True)


@family("reflection_pad2d")
def _reflection_pad2d(c: Choices) -> Drawn:
    return _padded(c, ops.reflection_pad2d, lambda size: size - 1)


@family("replication_pad2d")
def _replication_pad2d(c: Choices) -> Drawn:
    return _padded(c, ops.replication_pad2d, lambda size: 3)


@family("circular_pad2d")
def _circular_pad2d(c: Choices) -> Drawn:
    return _padded(c, ops.circular_pad2d, lambda size: size)


# --- convolutions of other dimensions ---


def _convolution(c: Choices, op: Callable[..., Any], widest: tuple[int, ...]) -> Drawn:
    """Draw a convolution along so many axes, with so many taps at most along each."""
    axes = [conv_axis(c, taps) for taps in widest]
    transposed = op in (ops.conv_transpose1d, ops.conv_transpose3d)
    groups, inner, outer = conv_channels(c)
    if len(axes) == 3:
        inner, outer = min(inner, 2), min(outer, 2)
    names = ("stride", "padding", "dilation")
    params: dict[str, Any] = {name: tuple(getattr(a, name) for a in axes) for name in names}
    if transposed:
        params["output_padding"] = tuple(a.leftover for a in axes)
    sizes = [a.out if transposed else a.size for a in axes]
    filters = (groups * (inner if transposed else outer), outer if transposed else inner)
    x = c.normal((c.extent(2, zero=True), groups * inner, *sizes))
    w = conv_filters(c, (*filters, *(a.kernel for a in axes)))
    return Drawn(
        lambda x, w, b: op(x, w, b, groups=groups, **params),
        [x, w, c.normal((groups * outer,))],
    )


@family("conv1d", kernels=_CONV)
def _conv1d(c: Choices) -> Drawn:
    return _convolution(c, ops.conv1d, (7,))


@family("conv_transpose1d", kernels=_CONV)
def _conv_transpose1d(c: Choices) -> Drawn:
    return _convolution(c, ops.conv_transpose1d, (7,))


@family("conv3d", kernels=(*_CONV, *_WINDOWS))
def _conv3d(c: Choices) -> Drawn:
    return _convolution(c, ops.conv3d, (3, 2, 2))


@family("conv_transpose3d", kernels=(*_CONV, *_WINDOWS))
def _conv_transpose3d(c: Choices) -> Drawn:
    return _convolution(c, ops.conv_transpose3d, (3, 2, 2))
