"""Numba layer normalisation: the algorithm of csrc/layer_norm, for machines without a compiler.

One pass over memory takes the moments of every row; a second writes the output, in tiles of the
matrix that also sum their columns for gweight and gbias. All arithmetic is float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent
from ..numba_pool import BLOCK_ELEMENTS, over
from ..reduce.rows import numba_refusal
from ..registry import register
from .matrix import Rows
from .spec import check_operands

_TILE_COLUMNS, _MAX_TILES = 1024, 64


def _supports(*arrays: Array, eps: float) -> str | None:
    return numba_refusal(*arrays)


def _loops() -> Any:
    from . import numba_loops  # imports Numba: when a kernel runs, and not before

    return numba_loops


def _tiles(x: Array) -> tuple[int, int, int]:
    """Return how many tiles lie below each other, and the rows and columns of one."""
    columns = min(x.shape[1], _TILE_COLUMNS)
    across = -(-x.shape[1] // columns)
    down = min(-(-len(x) * columns // BLOCK_ELEMENTS), -(-_MAX_TILES // across))
    rows = -(-len(x) // max(down, 1))
    return -(-len(x) // rows), rows, columns


@register("layer_norm", "numba", "two_pass", supports=_supports, accumulate="float64")
def layer_norm(x: Array, weight: Array, bias: Array, *, eps: float) -> Array:
    """Normalise, scale and shift; see the reference."""
    check_operands("layer_norm", x, weight, bias)
    rows = Rows.of(x, weight)
    y, out = rows.empty(x.dtype)
    operands = rows.matrix(x), rows.vector(weight), rows.vector(bias)
    over(len(out), _loops().normalise, *operands, float(eps), out)
    return y


@register("layer_norm_vjp", "numba", "two_pass", supports=_supports, accumulate="float64")
def layer_norm_vjp(
    x: Array, weight: Array, bias: Array, gy: Array, *, eps: float
) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, weight and bias; see the reference."""
    check_operands("layer_norm_vjp", x, weight, bias)
    check_cotangent("layer_norm_vjp", gy, x.shape, x.dtype)
    rows = Rows.of(x, weight)
    gx, out = rows.empty(x.dtype)
    operands = rows.matrix(x), rows.vector(weight), rows.matrix(gy)
    of_row = np.empty((len(out), 4))
    over(len(out), _loops().row_moments, *operands, float(eps), of_row)
    down, tile_rows, columns = _tiles(out)
    sums = np.zeros((down, 2, out.shape[1]))
    across = -(-out.shape[1] // columns)
    over(down * across, _loops().write_tiles, *operands, of_row, tile_rows, columns, sums, out)
    gweight, gbias = sums.sum(axis=0).astype(x.dtype)
    return gx, rows.from_vector(gweight), rows.from_vector(gbias)
