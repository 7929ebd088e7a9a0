"""The convolutions where there is no compiler: Numba copies patches, BLAS multiplies them.

    conv2d         y = cols(x) . W             cols(x) (N P Q, R S C): the patch under every output
    conv2d_dgrad   gx = cols^T(gy . W^T)       cols^T adds every patch back where it came from
    conv2d_wgrad   gW = cols(x)^T . gy

W is w packed as (R S C, O). Patches are made for a few images at a time, so that they stay in
cache; how many is a function of the shapes. Copying costs less than the product, and BLAS keeps
a tile of outputs in registers, which loops in Numba can't be made to do.

The bits may depend on the number of BLAS threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays import (
    Array,
    Shape,
    as_channels_last,
    empty_channels_last,
    two_floats_refusal,
    zeros_channels_last,
)
from ..numba_pool import over, why_no_numba
from ..registry import register
from .spec import ConvSpec

_BLOCK_ELEMENTS = 1 << 20  # patches made at a time: 4 MB of float32


def _supports(a: Array, b: Array, **_: object) -> str | None:
    if why := why_no_numba() or two_floats_refusal(a, b):
        return why
    if 0 in a.shape[1:] or 0 in b.shape:
        return f"takes no empty images or weights, got {a.shape} and {b.shape}"
    return None


def _loops() -> Any:
    from . import numba_loops  # imports Numba: when a kernel runs, and not before

    return numba_loops


def _nhwc(a: Array) -> Array:
    """Return ``a`` (N, C, H, W) as a C-ordered array (N, H, W, C); a copy if need be."""
    return np.ascontiguousarray(as_channels_last(a).transpose(0, 2, 3, 1))


def _window(spec: ConvSpec, channel: int) -> Array:
    return np.array([*spec.stride, *spec.padding, *spec.dilation, channel], np.int64)


def _packed(w: Array) -> Array:
    """Return w (O, C, R, S) as a C-ordered matrix (R S C, O)."""
    return np.ascontiguousarray(w.transpose(2, 3, 1, 0)).reshape(-1, w.shape[0])


def _blocks(cols: Shape) -> Iterator[slice]:
    """Cut the batch so that the patches (N, P, Q, R, S, C) of a block stay in cache."""
    images = max(1, _BLOCK_ELEMENTS // max(1, int(np.prod(cols[1:]))))
    for first in range(0, cols[0], images):
        yield slice(first, min(first + images, cols[0]))


def _patches(cols: Shape, dtype: Any) -> Array:
    """Allocate the patches of the largest block, once a call."""
    return np.empty((next(_blocks(cols), slice(0, 0)).stop, *cols[1:]), dtype)


@register("conv2d", "numba", "im2col", supports=_supports, deterministic=False, exact=True)
def conv2d(x: Array, w: Array, *, spec: ConvSpec) -> Array:
    """Convolve. Shapes: x (N, C, H, W), w (O, C/groups, R, S) -> y (N, O, P, Q)."""
    n, o, p, q = spec.out_shape(x.shape, w.shape)
    y, images = empty_channels_last(np, (n, o, p, q), x.dtype), _nhwc(x)
    shape = (n, p, q, *w.shape[2:], w.shape[1])
    buffer = _patches(shape, x.dtype)
    for cs, os_ in spec.channel_blocks(w.shape):
        packed, window = _packed(w[os_]), _window(spec, cs.start)
        for block in _blocks(shape):
            cols = buffer[: block.stop - block.start]
            over(len(cols), _loops().copy_patches, images[block], cols, window)
            product = cols.reshape(-1, packed.shape[0]) @ packed
            y[block, os_] = product.reshape(-1, p, q, packed.shape[1]).transpose(0, 3, 1, 2)
    return y


@register("conv2d_dgrad", "numba", "im2col", supports=_supports, deterministic=False, exact=True)
def conv2d_dgrad(gy: Array, w: Array, *, spec: ConvSpec, x_shape: Shape) -> Array:
    """Transposed convolution. Shapes: gy (N, O, P, Q), w (O, C/groups, R, S) -> gx ``x_shape``."""
    spec.check_dgrad(gy.shape, w.shape, x_shape)
    gx, (n, _, p, q) = zeros_channels_last(np, x_shape, gy.dtype), gy.shape
    images, cotangent = gx.transpose(0, 2, 3, 1), _nhwc(gy)
    shape = (n, p, q, *w.shape[2:], w.shape[1])
    buffer = _patches(shape, gy.dtype)
    for cs, os_ in spec.channel_blocks(w.shape):
        packed, window = _packed(w[os_]), _window(spec, cs.start)
        for block in _blocks(shape):
            rows = cotangent[block, :, :, os_].reshape(-1, packed.shape[1])
            cols = buffer[: block.stop - block.start]
            np.matmul(rows, packed.T, out=cols.reshape(-1, packed.shape[0]))
            over(len(cols), _loops().add_patches, images[block], cols, window)
    return gx


@register("conv2d_wgrad", "numba", "im2col", supports=_supports, deterministic=False, exact=True)
def conv2d_wgrad(x: Array, gy: Array, *, spec: ConvSpec, w_shape: Shape) -> Array:
    """Weight gradient. Shapes: x (N, C, H, W), gy (N, O, P, Q) -> gw ``w_shape``, C order."""
    spec.check_wgrad(x.shape, gy.shape, w_shape)
    gw, (n, _, p, q) = np.zeros(w_shape, x.dtype), gy.shape
    images, cotangent = _nhwc(x), _nhwc(gy)
    _, c, r, s = w_shape
    shape = (n, p, q, r, s, c)
    buffer = _patches(shape, x.dtype)
    for cs, os_ in spec.channel_blocks(w_shape):
        window = _window(spec, cs.start)
        total = np.zeros((r * s * c, os_.stop - os_.start), x.dtype)
        for block in _blocks(shape):
            cols = buffer[: block.stop - block.start]
            over(len(cols), _loops().copy_patches, images[block], cols, window)
            rows = cotangent[block, :, :, os_].reshape(-1, total.shape[1])
            total += cols.reshape(-1, total.shape[0]).T @ rows
        gw[os_] = total.reshape(r, s, c, -1).transpose(3, 2, 0, 1)
    return gw
