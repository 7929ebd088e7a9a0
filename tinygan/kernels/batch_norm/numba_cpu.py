"""Numba batch normalisation: the algorithm of csrc/batch_norm, for machines without a compiler.

One pass over memory takes the moments of every block of rows about the block's own mean while the
block lies in the cache; the blocks are then moved to the common mean. A second pass writes the
output. All arithmetic is float64.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..reduce.numba_blocks import compiled, numba_refusal, prange, rows_per_block
from ..reduce.rows import as_rows, empty_rows
from ..registry import register
from .spec import check_cotangent, check_operands


def _supports(*arrays: Array, eps: float = 0.0) -> str | None:
    return numba_refusal(*arrays)


@compiled(parallel=True)
def _block_moments(x: Array, gy: Array, block: int, with_gy: bool) -> Array:
    """Return (blocks, 4, C): mean, and the sums of (x - mean)^2, gy and gy * (x - mean)."""
    rows, channels = x.shape
    blocks = (rows + block - 1) // block
    out = np.zeros((blocks, 4, channels))
    for b in prange(blocks):
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
    return out


@compiled(parallel=True)
def _affine(x: Array, centre: Array, scale: Array, shift: Array, block: int, out: Array) -> None:
    """Write out = (x - centre) * scale + shift, all three (C,)."""
    rows, channels = x.shape
    for b in prange((rows + block - 1) // block):
        for r in range(b * block, min(rows, (b + 1) * block)):
            for c in range(channels):
                out[r, c] = (x[r, c] - centre[c]) * scale[c] + shift[c]


@compiled(parallel=True)
def _affine_pair(
    x: Array, gy: Array, centres: Array, scales: Array, block: int, out: Array
) -> None:
    """Write out = (gy - centres[1]) * scales[1] + (x - centres[0]) * scales[0], both (2, C)."""
    rows, channels = x.shape
    for b in prange((rows + block - 1) // block):
        for r in range(b * block, min(rows, (b + 1) * block)):
            for c in range(channels):
                g = (gy[r, c] - centres[1, c]) * scales[1, c]
                out[r, c] = g + (x[r, c] - centres[0, c]) * scales[0, c]


def _moments(x: Array, gy: Array | None) -> tuple[Array, Array, Array, Array]:
    """Return mean, var, sum of gy and sum of gy * (x - mean), each (C,)."""
    block = rows_per_block(x)
    of_block = _block_moments(x, x if gy is None else gy, block, gy is not None)
    count = np.full((len(of_block), 1), float(block))
    count[-1] = len(x) - block * (len(of_block) - 1)
    mean, m2, g, gd = of_block.transpose(1, 0, 2)  # each (blocks, C)
    total_mean = (count * mean).sum(axis=0) / len(x)
    shift = mean - total_mean
    var = (m2 + count * shift * shift).sum(axis=0) / len(x)
    return total_mean, var, g.sum(axis=0), (gd + shift * g).sum(axis=0)


@register("batch_norm_stats", "numba", "two_pass", supports=_supports, accumulate="float64")
def batch_norm_stats(x: Array) -> tuple[Array, Array]:
    """Return mean and biased variance of each channel; see the reference."""
    check_operands("batch_norm_stats", x)
    mean, var, _, _ = _moments(as_rows(x), None)
    return mean.astype(x.dtype), var.astype(x.dtype)


@register("batch_norm", "numba", "two_pass", supports=_supports, accumulate="float64")
def batch_norm(x: Array, weight: Array, bias: Array, *, eps: float) -> Array:
    """Normalise, scale and shift; see the reference. The output is channels last."""
    check_operands("batch_norm", x, weight, bias)
    x_rows, (rows, y) = as_rows(x), empty_rows(x.shape, x.dtype)
    mean, var, _, _ = _moments(x_rows, None)
    scale = weight / np.sqrt(var + eps)
    _affine(x_rows, mean, scale, bias.astype(np.float64), rows_per_block(x_rows), rows)
    return y


@register("batch_norm_vjp", "numba", "two_pass", supports=_supports, accumulate="float64")
def batch_norm_vjp(
    x: Array, weight: Array, bias: Array, gy: Array, *, eps: float
) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, weight and bias; see the reference. gx is channels last."""
    check_operands("batch_norm_vjp", x, weight, bias)
    check_cotangent("batch_norm_vjp", x, gy)
    x_rows, gy_rows, (rows, gx) = as_rows(x), as_rows(gy), empty_rows(x.shape, x.dtype)
    mean, var, g, gd = _moments(x_rows, gy_rows)
    inv_std = 1 / np.sqrt(var + eps)
    scale = weight * inv_std
    centres = np.stack([mean, g / len(x_rows)])
    scales = np.stack([-scale * inv_std * inv_std * (gd / len(x_rows)), scale])
    _affine_pair(x_rows, gy_rows, centres, scales, rows_per_block(x_rows), rows)
    return gx, (gd * inv_std).astype(x.dtype), g.astype(x.dtype)
