"""Numba group normalisation: the algorithm of csrc/group_norm, for machines without a compiler.

One pass over memory takes the moments of every channel of every block of rows of every sample,
about the block's own mean. Small arrays follow: blocks are moved to the mean of their sample,
channels to the mean of their group. A second pass writes the output. All arithmetic is float64.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array, check_cotangent
from ..numba_pool import over, rows_per_block
from ..reduce.rows import as_rows, empty_rows, numba_refusal
from ..registry import register
from .spec import check_groups


def _supports(*arrays: Array, num_groups: int, eps: float) -> str | None:
    return numba_refusal(*arrays)


def _loops() -> Any:
    from . import numba_loops  # imports Numba: when a kernel runs, and not before

    return numba_loops


class _Moments(NamedTuple):
    """Mean and var of the group that a channel is of; sums of gy, gy * (x - mean): (N, C) each."""

    mean: Array
    var: Array
    g: Array
    gd: Array


def _samples(x: Array) -> Array:
    """Return x (N, C, ...) as (N, rows, C) in C order."""
    return as_rows(x).reshape(len(x), -1, x.shape[1])


def _moments(x: Array, gy: Array | None, num_groups: int) -> _Moments:
    """Take the moments of x (N, rows, C)."""
    n, rows, channels = x.shape
    block = rows_per_block(x[0])
    blocks = -(-rows // block)
    found = np.zeros((n * blocks, 4, channels))
    operands = (x, x if gy is None else gy, block, blocks, gy is not None, found)
    over(len(found), _loops().block_moments, *operands)
    count = np.full((blocks, 1), float(block))
    count[-1] = rows - block * (blocks - 1)
    mean, m2, g, gd = found.reshape(n, blocks, 4, channels).transpose(2, 0, 1, 3)
    of_channel = (count * mean).sum(axis=1) / rows
    shift = mean - of_channel[:, None]
    m2 = (m2 + count * shift * shift).sum(axis=1)
    gd, g = (gd + shift * g).sum(axis=1), g.sum(axis=1)
    of_group = group_mean(of_channel, num_groups)
    shift = of_channel - of_group
    var = group_mean(m2 / rows + shift * shift, num_groups)
    return _Moments(of_group, var, g, gd + shift * g)


def group_mean(a: Array, num_groups: int) -> Array:
    """Average (N, C) over each group, and repeat it to its channels: (N, C)."""
    mean: Array = a.reshape(len(a), num_groups, -1).mean(axis=2)
    return mean.repeat(a.shape[1] // num_groups, axis=1)


def _write(x: Array, gy: Array, coefficients: tuple[Array, ...], out: Array) -> None:
    """Write out = of_gy * gy + of_x * (x - mean) + level, the coefficients (N, C) each."""
    block = rows_per_block(x[0])
    blocks = -(-x.shape[1] // block)
    stacked = np.stack(np.broadcast_arrays(*coefficients), axis=1)
    over(len(x) * blocks, _loops().affine_pair, x, gy, stacked, block, blocks, out)


@register("group_norm", "numba", "two_pass", supports=_supports, accumulate="float64")
def group_norm(x: Array, weight: Array, bias: Array, *, num_groups: int, eps: float) -> Array:
    """Normalise, scale and shift; see the reference. The output is channels last."""
    check_groups("group_norm", x, weight, bias, num_groups)
    samples, (rows, y) = _samples(x), empty_rows(x.shape, x.dtype)
    mean, var, _, _ = _moments(samples, None, num_groups)
    scale = weight / np.sqrt(var + eps)
    nothing = samples[:0]  # no cotangent takes part
    _write(samples, nothing, (mean, 0.0 * mean, scale, bias), rows.reshape(samples.shape))
    return y


@register("group_norm_vjp", "numba", "two_pass", supports=_supports, accumulate="float64")
def group_norm_vjp(
    x: Array, weight: Array, bias: Array, gy: Array, *, num_groups: int, eps: float
) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, weight and bias; see the reference. gx is channels last."""
    check_groups("group_norm_vjp", x, weight, bias, num_groups)
    check_cotangent("group_norm_vjp", gy, x.shape, x.dtype)
    samples, cotangents = _samples(x), _samples(gy)
    rows, gx = empty_rows(x.shape, x.dtype)
    mean, var, g, gd = _moments(samples, cotangents, num_groups)
    inv_std, count = 1 / np.sqrt(var + eps), samples.shape[1]
    if count * x.shape[1] == num_groups:
        inv_std *= 0  # one value alone is its own mean: x_hat is 0 whatever x is, and has no slope
    lean = -(inv_std**3) * group_mean(weight * gd, num_groups) / count
    level = -inv_std * group_mean(weight * g, num_groups) / count
    coefficients = (mean, weight * inv_std, lean, level)
    _write(samples, cotangents, coefficients, rows.reshape(samples.shape))
    gweight, gbias = (gd * inv_std).sum(axis=0), g.sum(axis=0)
    return gx, gweight.astype(x.dtype), gbias.astype(x.dtype)
