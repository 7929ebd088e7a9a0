"""The definition of the three convolutions, one tap of the kernel at a time. Never tuned.

    y[n,o,p,q] = sum_{c,r,s} x[n, c, p stride - padding + r dilation, ...] w[o,c,r,s]

Tap (r, s) sees the padded input through a strided slice x_rs (N, C, P, Q), and there is nothing
more to a convolution than a matrix product per tap:

    conv2d         y     += x_rs . w_rs         summed over c
    conv2d_dgrad   gx_rs += gy . w_rs           summed over o
    conv2d_wgrad   gw_rs  = gy . x_rs           summed over n, p, q

Runs on NumPy and CuPy. Sums are carried in the type of the inputs by the library's matrix product,
whose bits may depend on its number of threads. For an oracle, pass float64.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from ..arrays import Array, Shape, as_channels_last, xp_of, zeros_channels_last
from ..registry import register_reference
from .spec import ConvSpec

# BLAS gives other bits with another number of threads
_reference = functools.partial(register_reference, exact=True, deterministic=False)


def _padded(x: Array, spec: ConvSpec) -> Array:
    """Return x with its padding, (N, C, H + 2 ph, W + 2 pw)."""
    (n, c, h, w), (ph, pw) = x.shape, spec.padding
    out = zeros_channels_last(xp_of(x), (n, c, h + 2 * ph, w + 2 * pw), x.dtype)
    out[:, :, ph : ph + h, pw : pw + w] = x
    return out


def _taps(spec: ConvSpec, w: Shape, gy: Shape) -> Iterator[tuple[int, int, slice, slice]]:
    """Yield every tap (r, s) with the rows and columns of the padded input that it sees."""
    for r in range(w[2]):
        for s in range(w[3]):
            top, left = r * spec.dilation[0], s * spec.dilation[1]
            bottom = top + (gy[2] - 1) * spec.stride[0] + 1
            right = left + (gy[3] - 1) * spec.stride[1] + 1
            yield r, s, slice(top, bottom, spec.stride[0]), slice(left, right, spec.stride[1])


def _pixels(x: Array) -> Array:
    """Return x (N, C, P, Q) as a matrix, a row a pixel: (N * P * Q, C)."""
    n, c, p, q = x.shape  # no -1: it can't be told where c is 0
    return x.transpose(0, 2, 3, 1).reshape(n * p * q, c)


def _times(x: Array, w: Array) -> Array:
    """Return x (N, C, P, Q) times w (C, O) over C: (N, O, P, Q).

    By ``matmul``: ``dot``, and ``tensordot`` with it, loses NaN * 0 where a matrix is 1 by 1.
    """
    n, _, p, q = x.shape
    y: Array = xp_of(x).matmul(_pixels(x), w)
    return y.reshape(n, p, q, w.shape[1]).transpose(0, 3, 1, 2)


@_reference("conv2d")
def conv2d(x: Array, w: Array, *, spec: ConvSpec) -> Array:
    """Convolve. Shapes: x (N, C, H, W), w (O, C/groups, R, S) -> y (N, O, P, Q)."""
    xp, shape = xp_of(x), spec.out_shape(x.shape, w.shape)
    y, padded = zeros_channels_last(xp, shape, x.dtype), _padded(x, spec)
    for cs, os in spec.channel_blocks(w.shape):
        for r, s, rows, columns in _taps(spec, w.shape, shape):
            y[:, os] += _times(padded[:, cs, rows, columns], w[os, :, r, s].T)
    return y


@_reference("conv2d_dgrad")
def conv2d_dgrad(gy: Array, w: Array, *, spec: ConvSpec, x_shape: Shape) -> Array:
    """Transposed convolution. Shapes: gy (N, O, P, Q), w (O, C/groups, R, S) -> gx ``x_shape``."""
    spec.check_dgrad(gy.shape, w.shape, x_shape)
    xp, (n, c, h, width), (ph, pw) = xp_of(gy), x_shape, spec.padding
    gx = zeros_channels_last(xp, (n, c, h + 2 * ph, width + 2 * pw), gy.dtype)
    for cs, os in spec.channel_blocks(w.shape):
        for r, s, rows, columns in _taps(spec, w.shape, gy.shape):
            gx[:, cs, rows, columns] += _times(gy[:, os], w[os, :, r, s])
    return as_channels_last(gx[:, :, ph : ph + h, pw : pw + width])


@_reference("conv2d_wgrad")
def conv2d_wgrad(x: Array, gy: Array, *, spec: ConvSpec, w_shape: Shape) -> Array:
    """Weight gradient. Shapes: x (N, C, H, W), gy (N, O, P, Q) -> gw ``w_shape``, C order."""
    spec.check_wgrad(x.shape, gy.shape, w_shape)
    xp, padded = xp_of(x), _padded(x, spec)
    gw: Array = xp.empty(w_shape, dtype=x.dtype)
    for cs, os in spec.channel_blocks(w_shape):
        for r, s, rows, columns in _taps(spec, w_shape, gy.shape):
            x_rs = padded[:, cs, rows, columns]
            gw[os, :, r, s] = xp.matmul(_pixels(gy[:, os]).T, _pixels(x_rs))
    return gw
