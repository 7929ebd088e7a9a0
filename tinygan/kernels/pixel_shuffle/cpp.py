"""Launchers of the C++ copies in csrc/pixel_shuffle."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, adjacent_channels, empty_channels_last
from ..native import native
from ..reduce.rows import cpp_refusal
from ..registry import register
from .spec import coarse_shape, fine_shape

_native: Any = native


def _supports(x: Array, *, factor: int) -> str | None:
    return cpp_refusal(x)


@register("pixel_shuffle", "cpp", "copy", supports=_supports, exact=True)
def pixel_shuffle(x: Array, *, factor: int) -> Array:
    """Deal channels out to r x r finer pixels; see the reference."""
    y = empty_channels_last(np, fine_shape(x.shape, factor), x.dtype)
    _native.pixel_shuffle(adjacent_channels(x), factor, y)
    return y


@register("pixel_unshuffle", "cpp", "copy", supports=_supports, exact=True)
def pixel_unshuffle(x: Array, *, factor: int) -> Array:
    """Undo ``pixel_shuffle``; see the reference."""
    y = empty_channels_last(np, coarse_shape(x.shape, factor), x.dtype)
    _native.pixel_unshuffle(adjacent_channels(x), factor, y)
    return y
