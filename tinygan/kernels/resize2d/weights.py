"""Which input pixels an output pixel is made of, and their weights, along one axis.

Pixels are intervals of length 1, so that output pixel i has its centre at (i + 1/2) step - 1/2 in
input pixels, with step = in / out; with aligned corners at i (in - 1) / (out - 1).

    nearest     the pixel floor(i step); nearest-exact: floor((i + 1/2) step)
    bilinear    the two around the centre, by a hat; pixels beyond the border are the border's
    bicubic     the four around it, by Keys' cubic with a = -3/4
    area        the mean over all pixels that (i in/out, (i + 1) in/out) touches
    antialias   the hat, or the cubic with a = -1/2, step times as wide where the image shrinks;
                pixels beyond the border are left out and the weights add up to 1

Weights are made in float64. Sources: Keys, *Cubic convolution interpolation for digital image
processing*, IEEE TASSP 29(6), 1981; the conventions are those of PyTorch's ``interpolate``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..arrays import Array

Kernel = Callable[[Array], Array]

MODES = ("nearest", "nearest-exact", "bilinear", "bicubic", "area")
CORNERED = ANTIALIASED = ("bilinear", "bicubic")

_CUBIC_A, _CUBIC_A_ANTIALIASED = -0.75, -0.5  # PyTorch's, and Pillow's


class Taps(NamedTuple):
    """A sparse matrix by rows: y[i] = sum of weight[t] x[pixel[t]], start[i] <= t < start[i+1]."""

    start: Array
    pixel: Array
    weight: Array


def _taps(index: Array, weight: Array, kept: Array) -> Taps:
    """Make taps of (out, k) indices and weights, of those entries that are kept."""
    start = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int64)
    return _frozen(Taps(start, index[kept].astype(np.int64), weight[kept].astype(np.float64)))


def _frozen(taps: Taps) -> Taps:
    """Forbid writing: taps are cached and shared."""
    for array in taps:
        array.flags.writeable = False
    return taps


def _nearest(size: int, out: int, step: float | None, shift: float) -> Taps:
    # in float32, as PyTorch counts: floor must fall on the same pixel
    scale = np.float32(size / out if step is None else step)
    index = np.floor((np.arange(out, dtype=np.float32) + np.float32(shift)) * scale).astype(int)
    if shift == 0.0 and out in (size, 2 * size):  # PyTorch's exact cases, whatever step
        index = np.arange(out) * size // out
    index = np.minimum(index, size - 1)[:, None]
    return _taps(index, np.ones(index.shape), np.ones(index.shape, bool))


def _area(size: int, out: int) -> Taps:
    first = np.arange(out) * size // out
    last = -(-(np.arange(out) + 1) * size // out)
    index = first[:, None] + np.arange((last - first).max())
    weight = np.broadcast_to(1.0 / (last - first)[:, None], index.shape)
    return _taps(index, weight, index < last[:, None])


def _hat(t: Array) -> Array:
    return np.maximum(1.0 - np.abs(t), 0.0)


def _cubic(t: Array, a: float) -> Array:
    """Return Keys' cubic: 1 at 0, 0 at the other integers, of support (-2, 2)."""
    t = np.abs(t)
    inner = ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0
    outer = ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a
    return np.where(t <= 1.0, inner, np.where(t < 2.0, outer, 0.0))


def _interpolated(
    size: int,
    out: int,
    step: float | None,
    corners: bool,
    radius: int,
    kernel: Kernel,
) -> Taps:
    """Return the 2 * radius pixels around each centre; those beyond the border are the border's."""
    if corners:
        centre = np.arange(out) * ((size - 1) / (out - 1) if out > 1 else 0.0)
    else:
        centre = (np.arange(out) + 0.5) * (size / out if step is None else step) - 0.5
        if radius == 1:  # the hat stays inside, as does its extrapolation
            centre = np.maximum(centre, 0.0)
    below = np.floor(centre).astype(int)
    offset = np.arange(1 - radius, radius + 1)
    weight = kernel((centre - below)[:, None] - offset)
    index = np.clip(below[:, None] + offset, 0, size - 1)
    return _taps(index, weight, np.ones(index.shape, bool))


def _antialiased(
    size: int,
    out: int,
    step: float | None,
    corners: bool,
    radius: int,
    kernel: Kernel,
) -> Taps:
    """Return the pixels under a kernel that is as wide as an output pixel."""
    if corners:
        scale = (size - 1) / (out - 1) if out > 1 else 0.0
    else:
        scale = size / out if step is None else step
    stretch = max(scale, 1.0)
    centre = (np.arange(out) + 0.5) * scale
    first = np.maximum((centre - radius * stretch + 0.5).astype(int), 0)
    last = np.minimum((centre + radius * stretch + 0.5).astype(int), size)
    index = first[:, None] + np.arange(max(int((last - first).max()), 1))
    kept = index < last[:, None]
    weight = np.where(kept, kernel((index - centre[:, None] + 0.5) / stretch), 0.0)
    return _taps(index, weight / weight.sum(axis=1, keepdims=True), kept)


@functools.lru_cache(maxsize=256)
def taps_along(
    mode: str, size: int, out: int, step: float | None, corners: bool, antialias: bool
) -> Taps:
    """Return the taps of an axis of ``size`` pixels that becomes ``out`` pixels long."""
    if mode.startswith("nearest"):
        return _nearest(size, out, step, 0.0 if mode == "nearest" else 0.5)
    if mode == "area":
        return _area(size, out)
    build = _antialiased if antialias else _interpolated
    if mode == "bilinear":
        return build(size, out, step, corners, 1, _hat)
    a = _CUBIC_A_ANTIALIASED if antialias else _CUBIC_A
    return build(size, out, step, corners, 2, functools.partial(_cubic, a=a))


@functools.lru_cache(maxsize=256)
def transposed(
    mode: str, size: int, out: int, step: float | None, corners: bool, antialias: bool
) -> Taps:
    """Return the taps of the transposed matrix: for each input pixel, the outputs that see it."""
    taps = taps_along(mode, size, out, step, corners, antialias)
    row = np.repeat(np.arange(out), np.diff(taps.start))
    order = np.argsort(taps.pixel, kind="stable")
    counts = np.bincount(taps.pixel, minlength=size)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return _frozen(Taps(start, row[order].astype(np.int64), taps.weight[order]))
