"""CUDA pixel shuffles (csrc/pixel_shuffle/pixel_shuffle.cu): a thread an element of the output."""

from __future__ import annotations

from ..arrays import Array
from ..cuda import launch, register_cuda
from ..cuda.images import empty_image, extents, image_refusal, pixels_of
from .spec import coarse_shape, fine_shape


def _supports(x: Array, *, factor: int) -> str | None:
    return image_refusal(x)


@register_cuda("pixel_shuffle", "copy", supports=_supports, accumulate="input", exact=True)
def pixel_shuffle(x: Array, *, factor: int) -> Array:
    """Deal channels out to r x r finer pixels; see the reference."""
    y, pixels = empty_image(x, fine_shape(x.shape, factor))
    launch("pixel_shuffle", x=pixels_of(x), y=pixels, **extents(y.shape), factor=factor)
    return y


@register_cuda("pixel_unshuffle", "copy", supports=_supports, accumulate="input", exact=True)
def pixel_unshuffle(x: Array, *, factor: int) -> Array:
    """Undo ``pixel_shuffle``; see the reference."""
    y, pixels = empty_image(x, coarse_shape(x.shape, factor))
    sizes = {**extents(y.shape), "channels": x.shape[1]}
    launch("pixel_unshuffle", x=pixels_of(x), y=pixels, **sizes, factor=factor)
    return y
