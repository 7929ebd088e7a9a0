"""CUDA interpolation (csrc/resize2d/resize2d.cu): one pass, with taps that stay on the device."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..arrays import Array, Shape, is_numpy, xp_of
from ..cuda import graph, launch, register_cuda
from ..cuda.images import empty_image, extents, image_refusal, pixels_of
from .spec import ResizeSpec

_TYPES = {"start": np.int32, "pixel": np.int32, "weight": np.float32}


def _supports(x: Array, *, spec: ResizeSpec) -> str | None:
    n, channels = x.shape[:2] if x.ndim == 4 else (1, 1)
    largest = max(spec.size, spec.out, key=lambda size: size[0] * size[1])
    return image_refusal(x, out=(n, channels, *largest))


@register_cuda("resize2d", "one_pass", supports=_supports)
def resize2d(x: Array, *, spec: ResizeSpec) -> Array:
    """Interpolate. Shapes: x (N, C, H, W) -> y (N, C, P, Q)."""
    return _run(x, spec, spec.out_shape(x.shape), adjoint=False)


@register_cuda("resize2d_adjoint", "one_pass", supports=_supports)
def resize2d_adjoint(gy: Array, *, spec: ResizeSpec) -> Array:
    """Take a cotangent back. Shapes: gy (N, C, P, Q) -> gx (N, C, H, W)."""
    return _run(gy, spec, spec.in_shape(gy.shape), adjoint=True)


def _run(x: Array, spec: ResizeSpec, shape: Shape, *, adjoint: bool) -> Array:
    y, pixels = empty_image(x, shape)
    device = 0 if is_numpy(x) else int(x.device.id)  # type: ignore[attr-defined]
    sizes = {**extents(shape), "rows": x.shape[2], "columns": x.shape[3]}
    launch("resize2d", x=pixels_of(x), y=pixels, **_taps(spec, adjoint, xp_of(x), device), **sizes)
    return y


@functools.cache  # never let go: a captured step reads them at every replay
def _taps(spec: ResizeSpec, adjoint: bool, xp: Any, device: int) -> dict[str, Array]:
    """Return the taps of both axes on the device that is current, as the kernel names them."""
    graph.refuse("its interpolation is not one of the steps before it, whose taps are kept")
    placed = {}
    for axis, name in enumerate(("row", "column")):
        taps = spec.adjoint_taps(axis) if adjoint else spec.taps(axis)
        for part, dtype in _TYPES.items():
            placed[f"{name}_{part}"] = xp.asarray(getattr(taps, part).astype(dtype))
    return placed
