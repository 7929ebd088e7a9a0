"""CUDA elementwise (csrc/elementwise): flat where memory orders agree, else by strides."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from ..arrays import Array, Shape, empty_channels_last, is_channels_last, xp_of
from ..cuda import cuda_refusal, launch, register_cuda
from ..registry import Accumulate
from .spec import BINARY, FUNCTIONS

_AXES = 6  # kAxes
_MOST = 2**31 - 2**20  # elements: indices and their strides over the grid are 32 bits
_EXACT: Accumulate = "input"


def _supports(*xs: Array, fn: str) -> str | None:
    if fn not in FUNCTIONS:
        return f"takes {', '.join(FUNCTIONS)}"
    if len(xs) != 1 + (fn in BINARY):
        return f"{fn} takes {1 + (fn in BINARY)} operands, got {len(xs)}"
    if reason := cuda_refusal(*xs):
        return reason
    shape = xs[0].shape if len(xs) == 1 else np.broadcast_shapes(*(x.shape for x in xs))
    if len(shape) > _AXES:
        return f"takes at most {_AXES} axes, got {len(shape)}"
    if any(s % x.itemsize for x in xs for s in x.strides):
        return "takes strides of whole elements"
    reach = max([int(np.prod(shape)), *(_reach(x) for x in xs)])
    return None if reach < _MOST else "takes fewer than 2**31 elements"


def _reach(x: Array) -> int:
    return sum(abs(s) // x.itemsize * (n - 1) for s, n in zip(x.strides, x.shape, strict=True))


@register_cuda("elementwise", "any_strides", supports=_supports, accumulate=_EXACT)
def elementwise(*xs: Array, fn: str) -> Array:
    """Apply a function to one array or to two that broadcast; see the reference."""
    xs = tuple(map(_aligned, xs))
    a, b = xs[0], xs[-1]
    shape = a.shape if len(xs) == 1 else np.broadcast_shapes(a.shape, b.shape)
    y, order = _output(xs, shape)
    head = {"y": y.transpose(order), "n": y.size, "function": FUNCTIONS.index(fn)}
    flat = [_flat(x, shape, order) for x in (a, b)]
    if flat[0] is not None and flat[1] is not None:
        strides = {"stride_a": int(a.size == y.size), "stride_b": int(b.size == y.size)}
        launch("elementwise_flat", a=flat[0], b=flat[1], **head, **strides)
        return y
    (base_a, strides_a), (base_b, strides_b) = (_strided(x, shape, order) for x in (a, b))
    extents = _padded([shape[axis] for axis in order], 1)
    packed = struct.pack(f"{3 * _AXES}i", *extents, *_padded(strides_a), *_padded(strides_b))
    launch("elementwise_strided", a=base_a, b=base_b, **head, shape=packed)
    return y


def _output(xs: tuple[Array, ...], shape: Shape) -> tuple[Array, tuple[int, ...]]:
    """Allocate y, and return it with the order of its axes in memory."""
    xp: Any = xp_of(xs[0])
    for x in xs:
        if x.shape == shape and x.ndim == 4 and not x.flags.c_contiguous and is_channels_last(x):
            return empty_channels_last(xp, shape, x.dtype), (0, 2, 3, 1)
    return xp.empty(shape, xs[0].dtype), tuple(range(len(shape)))


def _flat(x: Array, shape: Shape, order: tuple[int, ...]) -> Array | None:
    """Return x as a dense array in y's order, or of one entry, or None where it is neither."""
    if x.size == 1:
        return x.reshape(1)
    if x.shape != shape:
        return None
    view = x.transpose(order)
    return view if view.flags.c_contiguous else None


def _strided(x: Array, shape: Shape, order: tuple[int, ...]) -> tuple[Array, list[int]]:
    """Return an array that begins at x's first entry, and x's strides along y's axes in elements.

    A launch takes dense arrays alone; what is passed is the single first entry, from which the
    strides lead to the others. Arrays with a negative stride are copied.
    """
    if any(s < 0 for s in x.strides):
        x = xp_of(x).array(x, order="C")
    missing = len(shape) - x.ndim
    steps = [0] * missing + [
        0 if extent == 1 else s // x.itemsize for s, extent in zip(x.strides, x.shape, strict=True)
    ]
    return x[(slice(0, 1),) * x.ndim].reshape(-1), [steps[axis] for axis in order]


def _aligned(x: Array) -> Array:
    """Return x at an aligned address; CuPy's are."""
    return x if getattr(x.flags, "aligned", True) else x.copy()


def _padded(numbers: list[int], fill: int = 0) -> list[int]:
    """Return the numbers behind as many of ``fill`` as a TgBroadcast needs."""
    return [fill] * (_AXES - len(numbers)) + numbers
