"""The definition of unfold (im2col) and of its adjoint fold (col2im), one tap at a time.

    cols[n, (c, r, s), (p, q)] = x[n, c, p stride - padding + r dilation, ...], 0 outside x
    fold adds every entry of cols back to where unfold copied it from

Runs on NumPy and CuPy. Columns are channels last in memory: one patch (C, R, S) after the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..arrays import Array, Shape, as_channels_last, xp_of, zeros_channels_last
from ..registry import register_reference
from .spec import UnfoldSpec


def _slices(spec: UnfoldSpec, windows: Shape) -> Iterator[tuple[int, int, slice, slice]]:
    """Yield every tap (r, s) with the rows and columns of the padded input that it sees."""
    stride, dilation = spec.conv.stride, spec.conv.dilation
    for r in range(spec.kernel[0]):
        top = r * dilation[0]
        rows = slice(top, top + (windows[0] - 1) * stride[0] + 1, stride[0])
        for s in range(spec.kernel[1]):
            left = s * dilation[1]
            yield r, s, rows, slice(left, left + (windows[1] - 1) * stride[1] + 1, stride[1])


@register_reference("unfold", exact=True)
def unfold(x: Array, *, spec: UnfoldSpec) -> Array:
    """Copy every window to a column. Shapes: x (N, C, H, W) -> cols (N, C R S, P Q)."""
    shape, (p, q) = spec.cols_shape("unfold", x.shape), spec.windows("unfold", x.shape)
    (n, c, h, w), (ph, pw), xp = x.shape, spec.conv.padding, xp_of(x)
    padded = zeros_channels_last(xp, (n, c, h + 2 * ph, w + 2 * pw), x.dtype)
    padded[:, :, ph : ph + h, pw : pw + w] = x
    patches = xp.empty((n, p, q, c, *spec.kernel), dtype=x.dtype)
    for r, s, rows, columns in _slices(spec, (p, q)):
        patches[..., r, s] = padded[:, :, rows, columns].transpose(0, 2, 3, 1)
    cols: Array = patches.reshape(n, p * q, shape[1]).transpose(0, 2, 1)
    return cols


@register_reference("fold", exact=True)
def fold(cols: Array, *, spec: UnfoldSpec, x_shape: Shape) -> Array:
    """Add columns back to images. Shapes: cols (N, C R S, P Q) -> x ``x_shape``."""
    spec.check_fold(cols.shape, x_shape)
    (n, c, h, w), (ph, pw), xp = x_shape, spec.conv.padding, xp_of(cols)
    p, q = spec.windows("fold", x_shape)
    patches = cols.transpose(0, 2, 1).reshape(n, p, q, c, *spec.kernel)
    padded = zeros_channels_last(xp, (n, c, h + 2 * ph, w + 2 * pw), cols.dtype)
    for r, s, rows, columns in _slices(spec, (p, q)):
        padded[:, :, rows, columns] += patches[..., r, s].transpose(0, 3, 1, 2)
    return as_channels_last(padded[:, :, ph : ph + h, pw : pw + w])
