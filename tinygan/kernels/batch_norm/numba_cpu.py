"""Numba batch normalisation: the algorithm of csrc/batch_norm, for machines without a compiler.

One pass over memory takes the moments of every block of rows about the block's own mean while the
block lies in the cache; the blocks are then moved to the common mean. A second pass writes the
output. All arithmetic is float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent
from ..numba_pool import over, rows_per_block
from ..reduce.rows import as_rows, empty_rows, numba_refusal
from ..registry import register
from .spec import check_operands


def _supports(*arrays: Array, eps: float = 0.0) -> str | None:
    return numba_refusal(*arrays)


def _loops() -> Any:
    from . import numba_loops  # imports Numba: when a kernel runs, and not before

    return numba_loops


def _blocks(x: Array) -> int:
    return -(-len(x) // rows_per_block(x))


def _moments(x: Array, gy: Array | None) -> tuple[Array, Array, Array, Array]:
    """Return mean, var, sum of gy and sum of gy * (x - mean), each (C,)."""
    block = rows_per_block(x)
    of_block = np.zeros((_blocks(x), 4, x.shape[1]))
    operands = (x, x if gy is None else gy, block, gy is not None, of_block)
    over(len(of_block), _loops().block_moments, *operands)
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
    options = (mean, scale, bias.astype(np.float64), rows_per_block(x_rows), rows)
    over(_blocks(x_rows), _loops().affine, x_rows, *options)
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
    options = (centres, scales, rows_per_block(x_rows), rows)
    over(_blocks(x_rows), _loops().affine_pair, x_rows, gy_rows, *options)
    return gx, (gd * inv_std).astype(x.dtype), g.astype(x.dtype)
