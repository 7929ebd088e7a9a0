"""References of pixel_shuffle and pixel_unshuffle: the six axes of an image in another order.

Source: arXiv:1609.05158, equation 4. Both outputs are channels last in memory.
"""

from __future__ import annotations

from ..arrays import Array, as_channels_last
from ..registry import register_reference
from .spec import coarse_shape, fine_shape


@register_reference("pixel_shuffle", exact=True)
def pixel_shuffle(x: Array, *, factor: int) -> Array:
    """Deal channels out to r x r finer pixels: y[h*r + i, w*r + j, c] = x[h, w, c*r*r + i*r + j].

    Shapes: x (N, C*r*r, H, W) -> (N, C, H*r, W*r).
    """
    n, c, height, width = fine_shape(x.shape, factor)
    h, w = x.shape[2:]
    blocks = as_channels_last(x).transpose(0, 2, 3, 1).reshape(n, h, w, c, factor, factor)
    pixels = blocks.transpose(0, 1, 4, 2, 5, 3).reshape(n, height, width, c)
    return pixels.transpose(0, 3, 1, 2)


@register_reference("pixel_unshuffle", exact=True)
def pixel_unshuffle(x: Array, *, factor: int) -> Array:
    """Undo ``pixel_shuffle``, of which it is the adjoint too.

    Shapes: x (N, C, H*r, W*r) -> (N, C*r*r, H, W).
    """
    n, deep, h, w = coarse_shape(x.shape, factor)
    pixels = as_channels_last(x).transpose(0, 2, 3, 1)
    blocks = pixels.reshape(n, h, factor, w, factor, x.shape[1])
    return blocks.transpose(0, 1, 3, 5, 2, 4).reshape(n, h, w, deep).transpose(0, 3, 1, 2)
