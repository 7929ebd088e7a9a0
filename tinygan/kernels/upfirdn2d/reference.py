"""The definition of upfirdn2d and of its filter's gradient, one tap at a time. Never tuned.

    u         x with up - 1 zeros after every pixel, then padded, or cropped where padding is < 0
    y[n,c,p,q] = sum_{r,s} u[n, c, p down + r, q down + s] k[r,s]         k: f, turned unless flip
    gk[r,s]    = sum_{n,c,p,q} u[n, c, p down + r, q down + s] gy[n,c,p,q]

Runs on NumPy and CuPy. A tap sees u through a strided slice, so y is a weighted sum of slices.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..arrays import Array, Shape, xp_of, zeros_channels_last
from ..registry import register_reference
from .spec import UpfirdnSpec


def _stuffed(x: Array, spec: UpfirdnSpec) -> Array:
    """Return u: x with its zeros, (N, C, H up + top + bottom, W up + left + right)."""
    extents, targets, sources = [], [slice(None)] * 2, [slice(None)] * 2
    for size, up, (before, after) in zip(x.shape[2:], spec.up, spec.padding, strict=True):
        extent = max(size * up + before + after, 0)
        first = max(0, -(before // up))  # the first and the last + 1 pixel that lie inside
        last = max(first, min(size, (extent - before + up - 1) // up))
        start = first * up + before
        extents.append(extent)
        sources.append(slice(first, last))
        targets.append(slice(start, start + (last - first) * up, up) if last > first else slice(0))
    u = zeros_channels_last(xp_of(x), (*x.shape[:2], extents[0], extents[1]), x.dtype)
    u[tuple(targets)] = x[tuple(sources)]
    return u


def _taps(u: Array, spec: UpfirdnSpec, f: Shape, out: Shape) -> Iterator[tuple[int, int, Array]]:
    """Yield every tap (r, s) with the pixels of u (N, C, P, Q) that it sees."""
    (dh, dw), (p, q) = spec.down, out[2:]
    for r in range(f[0]):
        for s in range(f[1]):
            yield r, s, u[:, :, r : r + (p - 1) * dh + 1 : dh, s : s + (q - 1) * dw + 1 : dw]


@register_reference("upfirdn2d", exact=True)
def upfirdn2d(x: Array, f: Array, *, spec: UpfirdnSpec) -> Array:
    """Upsample, filter, downsample. Shapes: x (N, C, H, W), f (R, S) -> y (N, C, P, Q)."""
    shape, k = spec.out_shape(x.shape, f.shape), spec.in_order(f)
    y = zeros_channels_last(xp_of(x), shape, x.dtype)
    for r, s, pixels in _taps(_stuffed(x, spec), spec, f.shape, shape):
        y += pixels * k[r, s]
    return y


@register_reference("upfirdn2d_fgrad", exact=True)
def upfirdn2d_fgrad(x: Array, gy: Array, *, spec: UpfirdnSpec, f_shape: Shape) -> Array:
    """Filter gradient. Shapes: x (N, C, H, W), gy (N, C, P, Q) -> gf ``f_shape``, C order."""
    spec.check_fgrad(x.shape, gy.shape, f_shape)
    gf: Array = xp_of(x).empty(f_shape, dtype=x.dtype)
    gk = spec.in_order(gf)
    for r, s, pixels in _taps(_stuffed(x, spec), spec, f_shape, gy.shape):
        gk[r, s] = (pixels * gy).sum()
    return gf
