"""Padding by a constant, by a mirror image, by the border or by the other side.

The border modes copy slabs of the image outwards, one axis after the other, so that a corner is
the mirror image of a mirror image. The adjoint adds the slabs back in the opposite order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..autograd import Op, Tensor
from ..autograd.linear import as_tensor
from ..autograd.linear import pad as _pad_constant
from ..autograd.op import Cotangents, Needs, Tensors
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array, empty_channels_last, empty_like, is_channels_last, xp_of

Widths = tuple[tuple[int, int], ...]
Index = tuple[slice, ...]

MODES = ("constant", "reflect", "replicate", "circular")


def _slabs(shape: Sequence[int], widths: Widths, mode: str) -> Iterator[tuple[int, Index, Index]]:
    """Yield (axis, target, source) for each slab of the padded array; ``shape`` is that of x."""
    for axis, (size, (before, after)) in enumerate(zip(shape, widths, strict=True)):
        stop = before + size  # x lies at before .. stop
        lead = (slice(None),) * axis
        if before:
            yield axis, (*lead, slice(0, before)), (*lead, _source(mode, before, size, before, 0))
        if after:
            target = (*lead, slice(stop, stop + after))
            yield axis, target, (*lead, _source(mode, before, size, after, 1))


def _source(mode: str, first: int, size: int, width: int, end: int) -> slice:
    """Return the part of first .. first + size that a slab at one end is copied from."""
    last = first + size - 1
    if mode == "replicate":
        return slice(last, last + 1) if end else slice(first, first + 1)
    if mode == "circular":
        return slice(first, first + width) if end else slice(last + 1 - width, last + 1)
    if end:
        stop = last - 1 - width
        return slice(last - 1, None if stop < 0 else stop, -1)
    return slice(first + width, first, -1)


def _inner(shape: Sequence[int], widths: Widths) -> Index:
    return tuple(slice(b, b + n) for n, (b, _) in zip(shape, widths, strict=True))


def _border_forward(x: Array, *, widths: Widths, mode: str) -> Array:
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, widths, strict=True))
    if is_channels_last(x) and not x.flags.c_contiguous:
        out = empty_channels_last(xp_of(x), shape, x.dtype)
    else:
        out = xp_of(x).empty(shape, dtype=x.dtype)
    out[_inner(x.shape, widths)] = x
    # a slab takes the whole length of earlier axes, which are filled, and the inner part of later
    for axis, target, source in _slabs(x.shape, widths, mode):
        rest = _inner(x.shape, widths)[axis + 1 :]
        out[(*target, *rest)] = out[(*source, *rest)]
    return out


def _border_adjoint_forward(gy: Array, *, widths: Widths, mode: str) -> Array:
    shape = tuple(n - before - after for n, (before, after) in zip(gy.shape, widths, strict=True))
    g = empty_like(gy)
    g[...] = gy
    for axis, target, source in reversed(list(_slabs(shape, widths, mode))):
        rest = _inner(shape, widths)[axis + 1 :]
        slab = g[(*target, *rest)]
        if mode == "replicate":
            slab = slab.sum(axis=axis, keepdims=True)
        g[(*source, *rest)] += slab
    inner = g[_inner(shape, widths)]
    gx = empty_channels_last(xp_of(g), shape, g.dtype) if _keeps(gy) else xp_of(g).empty_like(inner)
    gx[...] = inner
    return gx


def _keeps(x: Array) -> bool:
    return is_channels_last(x) and not x.flags.c_contiguous


_border = Op("pad_border", _border_forward, reads="shapes")
_border_adjoint = Op("pad_border_adjoint", _border_adjoint_forward, reads="shapes")


@_border.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, **params: Any) -> Cotangents:
    return (_border_adjoint(g[0], **params),)


@_border_adjoint.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, **params: Any) -> Cotangents:
    return (_border(g[0], **params),)


def pad(
    x: Any, widths: Sequence[tuple[int, int]], *, mode: str = "constant", value: float = 0.0
) -> Tensor:
    """Surround ``x``; ``widths`` is (before, after) for each axis.

    Shapes: x (n_0, n_1, ...) -> (before_0 + n_0 + after_0, ...). The widths are those of
    ``numpy.pad``, from the first axis on; PyTorch's ``F.pad`` counts from the last.

    Args:
        x: a tensor of any shape.
        widths: how many entries to add, at least 0.
        mode: ``constant``; ``reflect``, the mirror image about the border entry, which is not
            repeated; ``replicate``, the border entry; ``circular``, the other side.
        value: the constant.

    Raises:
        ShapeError: the widths do not fit the axes, or exceed what can be mirrored (an axis less
            one) or wrapped around (an axis).
        OptionError: no such mode.

    Differentiable: any order.
    """
    x = as_tensor(x)
    if mode not in MODES:
        raise OptionError(f"pad: no mode {mode!r}: use one of {', '.join(MODES)}")
    pairs = _pairs(x, widths)
    if mode == "constant":
        return _pad_constant(x, pairs, value=value)
    for n, both in zip(x.shape, pairs, strict=True):
        most = {"reflect": max(n - 1, 0), "circular": n, "replicate": max(both) if n else 0}[mode]
        if max(both) > most:
            raise ShapeError(
                f"pad: {mode} by {both} does not fit an axis of {n} in x {x.shape}: "
                f"at most {most} fits"
            )
    return _border(x, widths=pairs, mode=mode)


def _pairs(x: Tensor, widths: Any) -> Widths:
    """Return the widths as a pair of ints an axis."""
    given = tuple(widths) if isinstance(widths, Iterable) else (widths,)
    pairs = [tuple(w) if isinstance(w, Iterable) else (w,) for w in given]
    whole = all(isinstance(n, int | np.integer) and n >= 0 for both in pairs for n in both)
    if len(pairs) != x.ndim or any(len(both) != 2 for both in pairs) or not whole:
        raise ShapeError(
            f"pad: {x.ndim} pairs (before, after) of ints >= 0, one an axis, fit {x.shape}, "
            f"got {widths}"
        )
    return tuple((int(before), int(after)) for before, after in pairs)


def _pad2d(op: str, x: Any, padding: int | Sequence[int], mode: str) -> Tensor:
    x = as_tensor(x)
    if x.ndim != 4:
        raise ShapeError(f"{op}: x must be (N, C, H, W), got {x.shape}")
    sides = tuple(padding) if isinstance(padding, tuple | list) else (padding,) * 4
    if len(sides) != 4 or any(type(n) is not int or n < 0 for n in sides):
        raise OptionError(
            f"{op}: padding={padding!r}: use an int or (left, right, top, bottom), at least 0"
        )
    left, right, top, bottom = sides
    return pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)], mode=mode)


def zero_pad2d(x: Any, padding: int | Sequence[int]) -> Tensor:
    """Surround images with zeros; ``padding`` is (left, right, top, bottom) or one int.

    Shapes: x (N, C, H, W) -> (N, C, top+H+bottom, left+W+right). Differentiable: any order.

    Raises:
        ShapeError: x is not 4-d.
        OptionError: the padding is of another form or negative.
    """
    return _pad2d("zero_pad2d", x, padding, "constant")


def reflection_pad2d(x: Any, padding: int | Sequence[int]) -> Tensor:
    """Surround images with their mirror image; the border pixel is not repeated.

    Shapes: x (N, C, H, W) -> (N, C, top+H+bottom, left+W+right), padding (left, right, top, bottom)
    or one int, less than the size of its axis. Differentiable: any order.

    Raises:
        ShapeError: x is not 4-d, or too small.
        OptionError: the padding is of another form or negative.
    """
    return _pad2d("reflection_pad2d", x, padding, "reflect")


def replication_pad2d(x: Any, padding: int | Sequence[int]) -> Tensor:
    """Surround images with their border pixels.

    Shapes: x (N, C, H, W) -> (N, C, top+H+bottom, left+W+right), padding (left, right, top, bottom)
    or one int. Differentiable: any order.

    Raises:
        ShapeError: x is not 4-d, or empty.
        OptionError: the padding is of another form or negative.
    """
    return _pad2d("replication_pad2d", x, padding, "replicate")


def circular_pad2d(x: Any, padding: int | Sequence[int]) -> Tensor:
    """Surround images with their other side, as on a torus.

    Shapes: x (N, C, H, W) -> (N, C, top+H+bottom, left+W+right), padding (left, right, top, bottom)
    or one int, at most the size of its axis. Differentiable: any order.

    Raises:
        ShapeError: x is not 4-d, or too small.
        OptionError: the padding is of another form or negative.
    """
    return _pad2d("circular_pad2d", x, padding, "circular")
