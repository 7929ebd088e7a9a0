"""The loops of ``numba_cpu.py``, compiled when this module is imported and they are first called.

All arithmetic is float64. A loop does the items ``first`` .. ``last``; item i is block i % blocks
of sample i // blocks.
"""

from __future__ import annotations

from ..arrays import Array
from ..numba_pool import jit


@jit
def block_moments(
    x: Array,
    gy: Array,
    block: int,
    blocks: int,
    with_gy: bool,
    out: Array,
    first: int,
    last: int,
) -> None:
    """Add to ``out`` (items, 4, C) the mean and the sums of (x - mean)^2, gy, gy * (x - mean)."""
    _, rows, channels = x.shape
    for i in range(first, last):
        n, b = i // blocks, i % blocks
        mean, m2, g, gd = out[i, 0], out[i, 1], out[i, 2], out[i, 3]
        start, stop = b * block, min(rows, (b + 1) * block)
        for r in range(start, stop):
            for c in range(channels):
                mean[c] += x[n, r, c]
        for c in range(channels):
            mean[c] /= stop - start
        for r in range(start, stop):
            for c in range(channels):
                d = x[n, r, c] - mean[c]
                m2[c] += d * d
            if with_gy:
                for c in range(channels):
                    g[c] += gy[n, r, c]
                    gd[c] += gy[n, r, c] * (x[n, r, c] - mean[c])


@jit
def affine_pair(
    x: Array,
    gy: Array,
    coefficients: Array,
    block: int,
    blocks: int,
    out: Array,
    first: int,
    last: int,
) -> None:
    """Write out = a * gy + b * (x - mean) + level; ``coefficients`` (N, 4, C) is mean, a, b, level.

    An empty gy takes no part.
    """
    _, rows, channels = x.shape
    for i in range(first, last):
        n, b = i // blocks, i % blocks
        mean, of_gy, of_x = coefficients[n, 0], coefficients[n, 1], coefficients[n, 2]
        level = coefficients[n, 3]
        for r in range(b * block, min(rows, (b + 1) * block)):
            for c in range(channels):
                value = (x[n, r, c] - mean[c]) * of_x[c] + level[c]
                if len(gy):
                    value += gy[n, r, c] * of_gy[c]
                out[n, r, c] = value
