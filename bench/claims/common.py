"""A claim of a paper, measured: what every script of this folder is made of.

    python bench/claims/SCRIPT.py [NAME ...] [--seeds N] [--first SEED] [--list]

Of images that are made of others, ``TINYGAN_PICTURES=FOLDER`` keeps pictures to look at.

A script is a tuple ``CLAIMS`` and ``main(CLAIMS)``. Each seed of a claim is a measurement of its
own, and appends one JSON line to ``bench/results/claims.jsonl``; of a seed that was measured twice
the last line counts. ``table.py`` makes ``docs/claims.md`` of the lines, and what ``tinygan
recipes`` prints. A threshold is written down before the claim is measured and stays; a figure that
is not reached is reported.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benchmarks' own modules

import timing

from tinygan.kernels.arrays import Array
from tinygan.runs.pictures import save_rows

RESULTS = Path(__file__).parents[1] / "results" / "claims.jsonl"
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One row of ``docs/claims.md``.

    Attributes:
        name: of the row, ``pacgan-ring``; unique in the folder.
        recipe: name of the recipe that it is about; "" for none.
        says: the claim, in a sentence.
        quantity: key of the measured number among those that ``measure`` returns.
        unit: what the number counts, as it is printed behind it: ``of 8 modes``.
        sense: the number is to be at least, or at most, the threshold.
        threshold: written down before measuring.
        paper: the paper's figure with its budget.
        budget: ours.
        measure: ``measure(seed) -> {quantity: number, ...}``, with whatever else is worth keeping.
        seeds: measurements, from seed 0 on.
        note: why ours differs from the paper's, and what was tried.
    """

    name: str
    recipe: str
    says: str
    quantity: str
    unit: str
    sense: Literal[">=", "<="]
    threshold: float
    paper: str
    budget: str
    measure: Callable[[int], Row]
    seeds: int = 3
    note: str = ""

    def holds(self, values: Sequence[float]) -> bool:
        """Say whether the mean of the measurements reaches the threshold."""
        mean = statistics.mean(values)
        return mean >= self.threshold if self.sense == ">=" else mean <= self.threshold


def run(claim: Claim, seed: int) -> Row:
    """Measure a claim once; return its row."""
    start = time.process_time()
    found = claim.measure(seed)
    seconds = round(time.process_time() - start, 1)
    head = {"claim": claim.name, "seed": seed, "cpu_seconds": seconds}
    return head | found


def append(row: Row, path: Path = RESULTS) -> None:
    """Add a row and its machine to the results, in one write: scripts may run side by side."""
    with path.open("a") as out:
        out.write(json.dumps(row | timing.environment()) + "\n")


def read_lines(path: Path) -> list[Row]:
    """Return the rows of a file, none where it is missing."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def read(path: Path = RESULTS) -> dict[str, list[Row]]:
    """Return the rows of each claim by seed; of a seed the last one."""
    found: dict[str, dict[int, Row]] = {}
    for row in read_lines(path):
        found.setdefault(row["claim"], {})[row["seed"]] = row
    return {name: [rows[seed] for seed in sorted(rows)] for name, rows in found.items()}


def figure(values: Sequence[float]) -> str:
    """Write a mean with its standard error over the seeds: ``7.67 +- 0.33``."""
    mean = statistics.mean(values)
    if len(values) == 1:
        return f"{mean:.4g}"
    error = statistics.stdev(values) / math.sqrt(len(values))
    if 0 < abs(mean) < 1e-3 or abs(mean) >= 1e6:
        return f"{mean:.2g} +- {error:.1g}"
    digits = 2 if error == 0 else max(0, 1 - math.floor(math.log10(error)))
    return f"{mean:.{digits}f} +- {error:.{digits}f}"


def real_data(*parts: str) -> Path:
    """Return a path in the folder of real data, ``TINYGAN_TEST_DATA``; exit where it is unset."""
    folder = os.environ.get("TINYGAN_TEST_DATA")
    if not folder:
        sys.exit("set TINYGAN_TEST_DATA to a folder with MNIST's IDX files in mnist/")
    return Path(folder, *parts)


def save_picture(name: str, *columns: Array) -> None:
    """Write a picture ``NAME.png`` where pictures are wanted. Shapes: each column (N, C, H, W)."""
    folder = os.environ.get("TINYGAN_PICTURES")
    if folder:
        save_rows(Path(folder, f"{name}.png"), list(columns))


def main(claims: Sequence[Claim], given: list[str] | None = None) -> None:
    """Measure the claims that the command line names, all by default."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help="claims; all by default")
    parser.add_argument("--seeds", type=int, help="measurements a claim; its own by default")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where to append the rows")
    parser.add_argument("--list", action="store_true", help="print the names, measure nothing")
    args = parser.parse_args(given)
    known = {claim.name: claim for claim in claims}
    for name in args.names:
        if name not in known:
            parser.error(f"no claim {name!r}: one of {', '.join(known)} fits")
    for claim in [known[name] for name in args.names] or claims:
        if args.list:
            print(f"{claim.name:24} {claim.says}")
            continue
        rows = []
        for seed in range(args.first, args.first + (args.seeds or claim.seeds)):
            rows.append(run(claim, seed))
            append(rows[-1], args.json)
            print(rows[-1], flush=True)
        values = [row[claim.quantity] for row in rows]
        verdict = "holds" if claim.holds(values) else "does not hold"
        print(
            f"{claim.name}: {figure(values)} {claim.unit} ({claim.sense} {claim.threshold:g}): "
            f"{verdict}"
        )
