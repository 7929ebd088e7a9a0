"""The loops of ``numba_cpu.py``, compiled when this module is imported and they are first called.

All arithmetic is float64. A loop does the rows, or the tiles, ``first`` .. ``last``.
"""

from __future__ import annotations

import math

from ..arrays import Array
from ..numba_pool import jit


@jit
def normalise(
    x: Array, weight: Array, bias: Array, eps: float, out: Array, first: int, last: int
) -> None:
    """Write out = weight * (x - mean) / sqrt(var + eps) + bias."""
    width = x.shape[1]
    for r in range(first, last):
        mean = m2 = 0.0
        for j in range(width):
            mean += x[r, j]
        mean /= width
        for j in range(width):
            m2 += (x[r, j] - mean) * (x[r, j] - mean)
        inv_std = 1 / math.sqrt(m2 / width + eps)
        for j in range(width):
            out[r, j] = (x[r, j] - mean) * inv_std * weight[j] + bias[j]


@jit
def row_moments(
    x: Array, weight: Array, gy: Array, eps: float, out: Array, first: int, last: int
) -> None:
    """Write mean, inv_std, lean and level of each row to ``out`` (rows, 4).

    With them gx = inv_std * weight * gy + lean * (x - mean) + level.
    """
    width = x.shape[1]
    for r in range(first, last):
        mean = m2 = wg = wgd = 0.0
        for j in range(width):
            mean += x[r, j]
        mean /= width
        for j in range(width):
            d, g = x[r, j] - mean, 1.0 * gy[r, j] * weight[j]  # 1.0: in float64
            m2 += d * d
            wg += g
            wgd += g * d
        # one value alone is its own mean: x_hat is 0 whatever x is, and has no slope
        inv_std = 1 / math.sqrt(m2 / width + eps) if width > 1 else 0.0
        out[r, 0], out[r, 1] = mean, inv_std
        out[r, 2], out[r, 3] = -(inv_std**3) * wgd / width, -inv_std * wg / width


@jit
def write_tiles(
    x: Array,
    weight: Array,
    gy: Array,
    of_row: Array,
    tile_rows: int,
    columns: int,
    sums: Array,
    out: Array,
    first: int,
    last: int,
) -> None:
    """Write gx, and add gy * x_hat and gy of each tile's columns to ``sums`` (down, 2, width)."""
    rows, width = x.shape
    across = -(-width // columns)
    for tile in range(first, last):
        down, left = tile // across, (tile % across) * columns
        of_weight, of_bias = sums[down, 0], sums[down, 1]
        for r in range(down * tile_rows, min(rows, (down + 1) * tile_rows)):
            mean, inv_std, lean, level = of_row[r, 0], of_row[r, 1], of_row[r, 2], of_row[r, 3]
            for j in range(left, min(width, left + columns)):
                d, g = x[r, j] - mean, gy[r, j]
                out[r, j] = inv_std * weight[j] * g + lean * d + level
                of_weight[j] += g * d * inv_std
                of_bias[j] += g
