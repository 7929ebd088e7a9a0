"""What the GPU path is meant to reach, and what the last run of ``measure.py`` reached."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]
MEMORY_BOUND = ("bias + leaky_relu", "sum of all", "batch norm", "Adam")
SMALL = ("mlp, batch 64", "dcgan32, batch 16", "dcgan32, batch 64")


@dataclass(frozen=True)
class Goal:
    """One goal.

    Attributes:
        says: what is compared; a ratio is the peer's time over ours.
        least: what is asked for.
        figure: ``figure(rows)`` -> what was reached; it raises ``ValueError`` if rows lack it.
    """

    says: str
    least: float
    figure: Callable[[Rows], float]


def _of(rows: Rows, column: str, names: Iterable[str]) -> list[float]:
    """Return a column of the rows whose names begin so, one row at least for each name."""
    found = []
    for name in names:
        own = [
            row[column] for row in rows if row.get("name", "").startswith(name) and column in row
        ]
        if not own:
            raise ValueError(f"no {column} of {name}")
        found += own
    return found


def _share_of_bandwidth(rows: Rows) -> float:
    (copy, *_) = _of(rows, "gb_per_s", ["copy"])
    return min(_of(rows, "gb_per_s", MEMORY_BOUND)) / copy


def _least(column: str, *names: str) -> Callable[[Rows], float]:
    return lambda rows: min(_of(rows, column, names))


def _convolutions(rows: Rows) -> float:
    ratios = _of(rows, "x cuDNN", ["conv "])
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


GOALS = (
    Goal("memory-bound kernels: the least share of the copy bandwidth", 0.85, _share_of_bandwidth),
    Goal("bias and activation / torch.compile", 1.0, _least("x torch compiled", MEMORY_BOUND[0])),
    Goal("Adam / PyTorch's fused", 1.0, _least("x torch fused", "Adam")),
    Goal("convolutions of DCGAN-64 / cuDNN in float32, geometric mean", 0.8, _convolutions),
    Goal("small GANs / PyTorch eager, the least", 3.0, _least("x torch eager", *SMALL)),
    Goal("small GANs / PyTorch's CUDA graph, the least", 1.2, _least("x torch graph", *SMALL)),
    Goal("DCGAN-64, batch 64 / PyTorch eager", 0.95, _least("x torch eager", "dcgan64, batch 64")),
)


def newest(results: Path) -> Rows:
    """Return the rows of the newest run in a folder; none if there was no run."""
    runs = sorted(results.glob("*-20??-??-??.jsonl"), key=lambda path: path.stem[-10:])
    return [json.loads(line) for line in runs[-1].read_text().splitlines()] if runs else []


def table(rows: Rows) -> str:
    """Write the goals beside what was reached."""
    lines = ["| peer's time / ours, or as said | goal | reached |", "|---|---|---|"]
    for goal in GOALS:
        try:
            reached = f"{goal.figure(rows):.3g}"
        except ValueError:
            reached = "not measured"
        lines.append(f"| {goal.says} | {goal.least} | {reached} |")
    return "\n".join(lines) + "\n"
