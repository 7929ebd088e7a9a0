"""Passes over x (S, R, C), S segments of R rows with C channels: their plan, and their moments.

csrc/common/tg_segments.cuh says which thread has which values. The plan depends on the shape alone,
so that reruns are bit-equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..arrays import Array, xp_of
from .backend import cuda_refusal
from .launch import launch
from .spec import COLUMNS, over

_BLOCKS = 1024  # wanted of a pass: some eight a multiprocessor
_ROWS = 64  # of a block at least, or its partial sums would cost as much as its rows
_STEP = 32  # rows that a block reads at once where a thread has four columns
MOST_ELEMENTS = 2**31 - 2**12  # where kernels count in int, up to a stride beyond the last one


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """How x (S, R, C) is cut into blocks.

    Attributes:
        segments: S.
        n: R C, elements of a segment.
        channels: C.
        width: W, columns of a wide row: a multiple of C.
        rows_a_block: wide rows of a block.
        blocks: along the rows of a segment.
    """

    segments: int
    n: int
    channels: int
    width: int
    rows_a_block: int
    blocks: int

    @property
    def sizes(self) -> dict[str, int]:
        """The scalars that a pass over x takes."""
        return {
            "segments": self.segments,
            "n": self.n,
            "width": self.width,
            "rows_a_block": self.rows_a_block,
        }

    def partial(self, xp: Any, kinds: int) -> Array:
        """Allocate partial sums (S, blocks, kinds, W), in float64."""
        out: Array = xp.empty((self.segments, self.blocks, kinds, self.width), "f8")
        return out


def segment_plan(size: int, segments: int, channels: int) -> SegmentPlan:
    """Plan a pass over an array of so many elements, in segments of rows of C channels."""
    n, width = size // segments, channels * max(1, COLUMNS // channels)
    rows, tiles = over(n, width), over(width, COLUMNS)
    blocks = max(1, min(over(rows, _ROWS), _BLOCKS // (tiles * segments)))
    rows_a_block = over(over(rows, blocks), _STEP) * _STEP
    return SegmentPlan(segments, n, channels, width, rows_a_block, over(rows, rows_a_block))


def moments(rows: Array, plan: SegmentPlan, groups: int) -> tuple[Array, Array]:
    """Return mean and biased variance, (segments, groups) in float64, of x as rows (S R, C)."""
    xp = xp_of(rows)
    partial = plan.partial(xp, 3)
    mean, var = (xp.empty((plan.segments, groups), "f8") for _ in range(2))
    launch("segment_moments", x=rows, partial=partial, **plan.sizes)
    launch(
        "segment_moments_totals",
        partial=partial,
        mean=mean,
        var=var,
        segments=plan.segments,
        blocks=plan.blocks,
        width=plan.width,
        channels=plan.channels,
        groups=groups,
    )
    return mean, var


def int_refusal(*arrays: Array | None, **params: Any) -> str | None:
    """Return why float32 kernels that count in int can't take these arrays, or None."""
    if reason := cuda_refusal(*arrays, **params):
        return reason
    most = max(a.size for a in arrays if a is not None)
    return f"takes at most {MOST_ELEMENTS} elements, got {most}" if most > MOST_ELEMENTS else None
