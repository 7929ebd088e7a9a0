"""The shapes on both sides of a pixel shuffle."""

from __future__ import annotations

from ...errors import ShapeError
from ..arrays import Shape


def fine_shape(x: Shape, factor: int) -> Shape:
    """Return (N, C, H*r, W*r) of x (N, C*r*r, H, W).

    Raises:
        ShapeError: x is not 4-d, or its channels are no multiple of r*r.
    """
    if len(x) != 4 or factor < 1 or x[1] % factor**2:
        raise ShapeError(f"pixel_shuffle: channels of x {x} are no multiple of {factor}**2")
    return x[0], x[1] // factor**2, x[2] * factor, x[3] * factor


def coarse_shape(x: Shape, factor: int) -> Shape:
    """Return (N, C*r*r, H, W) of x (N, C, H*r, W*r).

    Raises:
        ShapeError: x is not 4-d, or its sizes are no multiples of r.
    """
    if len(x) != 4 or factor < 1 or x[2] % factor or x[3] % factor:
        raise ShapeError(f"pixel_unshuffle: pixels of x {x} are no multiples of {factor}")
    return x[0], x[1] * factor**2, x[2] // factor, x[3] // factor
