"""Bilinear resize with antialiasing of whole image arrays, and conversion of channels.

Each output pixel is a triangle-weighted mean of input pixels; the triangle is as wide as an output
pixel when shrinking and as an input pixel when enlarging, centred by half pixels. On uint8 the
result equals Pillow's ``resize(..., BILINEAR)`` bit for bit: weights of 22 fractional bits, columns
first, rounded to uint8 between the passes.

Arrays are (N, H, W, C), uint8 or float32.
"""

from __future__ import annotations

import numpy as np

from ..errors import OptionError
from ..kernels.arrays import Array

_FRACTION_BITS = 22  # Pillow's Resample.c: 32 - 8 - 2
_CHUNK = 2048  # images a pass
_LUMA = (19595, 38470, 7471)  # ITU-R 601-2 luma in 16 fractional bits, as Pillow's convert("L")
LUMA = tuple(part / 2**16 for part in _LUMA)  # the same as weights of R, G and B


def triangle(n_in: int, n_out: int) -> Array:
    """Return the weights of a 1-d resize. Shapes: -> (n_out, n_in), float64, rows sum to 1."""
    scale = n_in / n_out
    centre = (np.arange(n_out) + 0.5) * scale
    distance = np.arange(n_in) + 0.5 - centre[:, None]
    weights = np.maximum(0.0, 1.0 - np.abs(distance) / max(1.0, scale))
    out: Array = weights / weights.sum(axis=1, keepdims=True)
    return out


def _along(x: Array, weights: Array, axis: int) -> Array:
    """Multiply one axis by a matrix, in float64."""
    moved = np.moveaxis(x, axis, -1)
    flat = moved.reshape(-1, moved.shape[-1]).astype(np.float64)
    out: Array = np.moveaxis((flat @ weights.T).reshape(*moved.shape[:-1], -1), -1, axis)
    return out


def _pass(x: Array, n_out: int, axis: int) -> Array:
    if x.shape[axis] == n_out:
        return x
    weights = triangle(x.shape[axis], n_out)
    if x.dtype != np.uint8:
        return _along(x, weights, axis).astype(np.float32)
    # Integers below 2**31 in float64: exact in any order of summation.
    fixed = np.floor(weights * 2**_FRACTION_BITS + 0.5)
    mean: Array = np.floor(_along(x, fixed, axis) / 2**_FRACTION_BITS + 0.5)
    return mean.clip(0, 255).astype(np.uint8)


def square(x: Array, size: int) -> Array:
    """Crop the middle square of every image and resize it.

    Shapes: x (N, H, W, C), uint8 or float32 -> (N, size, size, C), same dtype.
    """
    h, w = x.shape[1:3]
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    x = x[:, top : top + side, left : left + side]
    if side == size:
        return np.ascontiguousarray(x)
    out = np.empty((len(x), size, size, x.shape[3]), x.dtype)
    for begin in range(0, len(x), _CHUNK):
        part = x[begin : begin + _CHUNK]
        out[begin : begin + _CHUNK] = _pass(_pass(part, size, 2), size, 1)
    return out


def with_channels(x: Array, channels: int) -> Array:
    """Turn grey into three equal channels, or colour into its luma.

    Shapes: x (N, H, W, 1 or 3), uint8 or float32 -> (N, H, W, channels), same dtype.

    Raises:
        OptionError: channels is neither 1 nor 3.
    """
    if channels not in (1, 3):
        raise OptionError(f"channels={channels}: use 1 (grey) or 3 (RGB)")
    if x.shape[3] == channels:
        return x
    if channels == 3:
        return np.repeat(x, 3, axis=3)
    if x.dtype == np.uint8:
        luma = x.astype(np.uint32) @ np.array(_LUMA, np.uint32)
        return ((luma + (1 << 15)) >> 16).astype(np.uint8)[..., None]
    grey: Array = (x @ np.array(LUMA)).astype(x.dtype)[..., None]
    return grey
