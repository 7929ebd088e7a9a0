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
from .spec import check_operands, check_segments, check_statistics, statistics_refusal


def _supports(
    x: Array,
    *arrays: Array,
    eps: float = 0.0,
    negative_slope: float = 1.0,
    segments: int = 1,
) -> str | None:
    return numba_refusal(x, *arrays[:-2]) or statistics_refusal(
        *arrays[-2:]
    )  # mean and var come last


def _loops() -> Any:
    from . import numba_loops  # imports Numba: when a kernel runs, and not before

    return numba_loops


def _blocks(x: Array) -> int:
    return -(-len(x) // rows_per_block(x))


def _moments(x: Array) -> tuple[Array, Array]:
    """Return mean and var of the rows, each (C,)."""
    block = rows_per_block(x)
    of_block = np.zeros((_blocks(x), 2, x.shape[1]))
    over(len(of_block), _loops().block_moments, x, block, of_block)
    count = np.full((len(of_block), 1), float(block))
    count[-1] = len(x) - block * (len(of_block) - 1)
    mean, m2 = of_block.transpose(1, 0, 2)  # each (blocks, C)
    total_mean = (count * mean).sum(axis=0) / len(x)
    shift = mean - total_mean
    return total_mean, (m2 + count * shift * shift).sum(axis=0) / len(x)


def _affine(weight: Array, bias: Array, mean: Array, var: Array, eps: float) -> Array:
    """Return mean, scale and shift of t = (x - mean) scale + shift, (3, C)."""
    return np.stack([mean, weight / np.sqrt(var + eps), bias.astype(np.float64)])


@register("batch_norm_stats", "numba", "blocks", supports=_supports, accumulate="float64")
def batch_norm_stats(x: Array, *, segments: int = 1) -> tuple[Array, Array]:
    """Return mean and biased variance of each channel and segment; see the reference."""
    check_segments("batch_norm_stats", x, segments)
    found = [_moments(part) for part in np.split(as_rows(x), segments)]
    return np.stack([mean for mean, _ in found]), np.stack([var for _, var in found])


@register("batch_norm", "numba", "one_pass", supports=_supports, accumulate="float64")
def batch_norm(
    x: Array,
    weight: Array,
    bias: Array,
    mean: Array,
    var: Array,
    *,
    eps: float,
    negative_slope: float = 1.0,
) -> Array:
    """Normalise, scale, shift and activate; see the reference. The output is channels last."""
    check_operands("batch_norm", x, weight, bias)
    check_statistics("batch_norm", x, mean, var)
    x_rows, (rows, y) = as_rows(x), empty_rows(x.shape, x.dtype)
    parts = (np.split(a, len(mean)) for a in (x_rows, rows))
    for part, out, m, v in zip(*parts, mean, var, strict=True):
        affine = _affine(weight, bias, m, v, eps)
        options = (affine, negative_slope, rows_per_block(part), out)
        over(_blocks(part), _loops().normalise, part, *options)
    return y


@register("batch_norm_vjp", "numba", "two_pass", supports=_supports, accumulate="float64")
def batch_norm_vjp(
    x: Array,
    weight: Array,
    bias: Array,
    gy: Array,
    mean: Array,
    var: Array,
    *,
    eps: float,
    negative_slope: float = 1.0,
) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, weight and bias; see the reference. gx is channels last."""
    check_operands("batch_norm_vjp", x, weight, bias)
    check_cotangent("batch_norm_vjp", gy, x.shape, x.dtype)
    check_statistics("batch_norm_vjp", x, mean, var)
    rows, gx = empty_rows(x.shape, x.dtype)
    parts = (np.split(a, len(mean)) for a in (as_rows(x), as_rows(gy), rows))
    gweight, gbias = np.zeros((2, x.shape[1]))
    for part, g_part, out, m, v in zip(*parts, mean, var, strict=True):
        affine, block = _affine(weight, bias, m, v, eps), rows_per_block(part)
        sums = np.zeros((_blocks(part), 2, x.shape[1]))
        operands = (part, g_part, affine, negative_slope, block)
        over(len(sums), _loops().block_sums, *operands, sums)
        g, gd = sums.sum(axis=0)
        inv_std = 1 / np.sqrt(v + eps)
        gweight += gd * inv_std
        gbias += g
        back = np.stack([g / len(part), -affine[1] * inv_std * inv_std * (gd / len(part))])
        over(len(sums), _loops().write_gx, *operands, back, out)
    return gx, gweight.astype(x.dtype), gbias.astype(x.dtype)
