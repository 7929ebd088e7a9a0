"""Images as the kernels that stride over pixels take them: (N, H, W, C) in C order, 32-bit indices.

``image_refusal`` says why arrays or an output's shape don't fit; csrc/common/tg_pixels.cuh takes
an index apart.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from ..arrays import Array, Shape, empty_channels_last, xp_of
from ..reduce.rows import c_order
from .backend import cuda_refusal

Pair = tuple[int, int]

MOST_ELEMENTS = 2**31 - 2**20  # an index and one more stride over the grid are 32 bits


def image_refusal(*arrays: Array, out: Shape = ()) -> str | None:
    """Return why kernels with 32-bit indices can't take these float32 arrays, or None.

    Args:
        arrays: the operands; none, if the output alone is asked about.
        out: shape of the output.
    """
    if reason := cuda_refusal(*arrays):
        return reason
    most = max([math.prod(out), *(a.size for a in arrays)])
    return None if most < MOST_ELEMENTS else "takes fewer than 2**31 elements"


def pixels_of(x: Array) -> Array:
    """Return the image x (N, C, H, W) as (N, H, W, C) in C order: a view where it lies so."""
    return c_order(x.transpose(0, 2, 3, 1))


def empty_image(like: Array, shape: Shape) -> tuple[Array, Array]:
    """Allocate a float32 image (N, C, H, W), channels last, and its view (N, H, W, C)."""
    y = empty_channels_last(xp_of(like), shape, np.dtype(np.float32))
    return y, y.transpose(0, 2, 3, 1)


def extents(shape: Shape) -> dict[str, Any]:
    """Return what a kernel over the elements of an image (N, C, H, W) takes of its shape."""
    _, channels, height, width = shape
    return {"count": math.prod(shape), "height": height, "width": width, "channels": channels}


def windows(size: Shape, out: Shape, taps: Shape, stride: Pair, pad: Pair) -> bytes:
    """Return a TgWindows: ``out`` windows over images of ``size``, along the height and the width.

    Args:
        size: (H, W).
        out: (P, Q).
        taps: (R, S).
        stride: distance between windows.
        pad: how far the first window begins before the image.
    """
    height, width = zip(size, out, taps, stride, pad, strict=True)
    return struct.pack("10i", *height, *width)
