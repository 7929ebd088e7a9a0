"""The loops of ``numba_cpu.py``, compiled when this module is imported and they are first called.

All arithmetic is float64. A loop does the blocks ``first`` .. ``last`` of the rows.
"""

from __future__ import annotations

from ..arrays import Array
from ..numba_pool import jit


@jit
def block_moments(
    x: Array, gy: Array, block: int, with_gy: bool, out: Array, first: int, last: int
) -> None:
    """Add to ``out`` (blocks, 4, C) the mean and the sums of (x - mean)^2, gy, gy * (x - mean)."""
    rows, channels = x.shape
    for b in range(first, last):
        mean, m2, g, gd = out[b, 0], out[b, 1], out[b, 2], out[b, 3]
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
            if with_gy:
                for c in range(channels):
                    g[c] += gy[r, c]
                    gd[c] += gy[r, c] * (x[r, c] - mean[c])


@jit
def affine(
    x: Array,
    centre: Array,
    scale: Array,
    shift: Array,
    block: int,
    out: Array,
    first: int,
    last: int,
) -> None:
    """Write out = (x - centre) * scale + shift, all three (C,)."""
    rows, channels = x.shape
    for b in range(first, last):
        for r in range(b * block, min(rows, (b + 1) * block)):
            for c in range(channels):
                out[r, c] = (x[r, c] - centre[c]) * scale[c] + shift[c]


@jit
def affine_pair(
    x: Array,
    gy: Array,
    centres: Array,
    scales: Array,
    block: int,
    out: Array,
    first: int,
    last: int,
) -> None:
    """Write out = (gy - centres[1]) * scales[1] + (x - centres[0]) * scales[0], both (2, C)."""
    rows, channels = x.shape
    for b in range(first, last):
        for r in range(b * block, min(rows, (b + 1) * block)):
            for c in range(channels):
                g = (gy[r, c] - centres[1, c]) * scales[1, c]
                out[r, c] = g + (x[r, c] - centres[0, c]) * scales[0, c]
