"""The loops of ``numba_cpu.py``, compiled when this module is imported and they are first called.

All arithmetic is float64. A loop does the blocks ``first`` .. ``last`` of the rows. ``affine``,
(3, C), holds mean, scale and shift of t = (x - mean) * scale + shift, and y = t > 0 ? t : slope t.
"""

from __future__ import annotations

from ..arrays import Array
from ..numba_pool import jit


@jit
def block_moments(x: Array, block: int, out: Array, first: int, last: int) -> None:
    """Write to ``out`` (blocks, 2, C), which is zero, the mean and the sum of (x - mean)^2."""
    rows, channels = x.shape
    for b in range(first, last):
        mean, m2 = out[b, 0], out[b, 1]
        start, stop = b * block, min(rows, (b + 1) * block)
        for r in range(start, stop):
            for c in range(channels):
                mean[c] += x[r, c]
        for c in range(channels):
            mean[c] /= stop - start
        for r in range(start, stop):
            for c in range(channels):
                d = x[r, c] - mean[c]
                m2[c] += d * d


@jit
def normalise(
    x: Array, affine: Array, slope: float, block: int, out: Array, first: int, last: int
) -> None:
    """Write y to ``out``."""
    rows, channels = x.shape
    for b in range(first, last):
        for r in range(b * block, min(rows, (b + 1) * block)):
            for c in range(channels):
                t = (x[r, c] - affine[0, c]) * affine[1, c] + affine[2, c]
                if t <= 0 and slope != 1:
                    t = 0 if slope == 0 else t * slope
                out[r, c] = t


@jit
def block_sums(
    x: Array,
    gy: Array,
    affine: Array,
    slope: float,
    block: int,
    out: Array,
    first: int,
    last: int,
) -> None:
    """Add to ``out`` (blocks, 2, C) the sums of g = act'(t) gy and of g * (x - mean)."""
    rows, channels = x.shape
    for b in range(first, last):
        for r in range(b * block, min(rows, (b + 1) * block)):
            for c in range(channels):
                d = x[r, c] - affine[0, c]
                t = d * affine[1, c] + affine[2, c]
                g = gy[r, c] * (1.0 if t > 0 else slope)
                out[b, 0, c] += g
                out[b, 1, c] += g * d


@jit
def write_gx(
    x: Array,
    gy: Array,
    affine: Array,
    slope: float,
    block: int,
    back: Array,
    out: Array,
    first: int,
    last: int,
) -> None:
    """Write scale (g - mean of g) + back (x - mean); ``back`` (2, C) holds that mean and factor."""
    rows, channels = x.shape
    for b in range(first, last):
        for r in range(b * block, min(rows, (b + 1) * block)):
            for c in range(channels):
                d = x[r, c] - affine[0, c]
                t = d * affine[1, c] + affine[2, c]
                g = gy[r, c] * (1.0 if t > 0 else slope) - back[0, c]
                out[r, c] = g * affine[1, c] + d * back[1, c]
