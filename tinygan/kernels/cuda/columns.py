"""Sums over the rows of a matrix (R, C) in two launches: partial sums, then their total.

A kernel that reads the matrix leaves partial sums (csrc/common/tg_columns.cuh says how); the shape
of the work is planned here, from the shape of the matrix alone, so that reruns are bit-equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..arrays import Array
from .launch import launch
from .spec import COLUMNS, ROWS_AT_ONCE, over

_BLOCKS = 1024  # wanted of a sum: some eight a multiprocessor
_ROWS = 8 * ROWS_AT_ONCE  # of a block at least, or its partial sums would cost as much as its rows


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How a matrix of n = R C elements is summed over its rows.

    Attributes:
        channels: C.
        width: W, columns of a wide row: a multiple of C.
        rows_a_block: wide rows that a block sums.
        blocks: along the rows.
    """

    channels: int
    width: int
    rows_a_block: int
    blocks: int

    def partial(self, xp: Any) -> Array:
        """Allocate the partial sums (blocks, W)."""
        out: Array = xp.empty((self.blocks, self.width), "f4")
        return out

    def total(self, xp: Any, partial: Array) -> Array:
        """Add partial sums up. Shapes: (blocks, W) -> (C,)."""
        out: Array = xp.empty(self.channels, "f4")
        sizes = {"blocks": self.blocks, "width": self.width, "channels": self.channels}
        launch("column_totals", partial=partial, total=out, **sizes)
        return out


def column_plan(n: int, channels: int) -> ColumnPlan:
    """Plan the sum over the rows of a matrix of n elements, C of them a row."""
    width = channels * max(1, COLUMNS // channels)
    rows = over(n, width)
    blocks = max(1, min(over(rows, _ROWS), _BLOCKS // over(width, COLUMNS)))
    rows_a_block = over(over(rows, blocks), ROWS_AT_ONCE) * ROWS_AT_ONCE
    return ColumnPlan(channels, width, rows_a_block, over(rows, rows_a_block))
