"""DCGAN's training step by batch, width and image size, beside PyTorch's.

    python bench/scaling.py --peer torch [--json FILE] [--picture FILE]
    python bench/scaling.py --peer torch --points batch=8,64 size=32 --rounds 2
    python bench/scaling.py --draw

One of batch (images a step), width (channels of the outer layers, ngf and ndf) and size (pixels a
side) changes, the others stay at 64. Every point is a run of its own, as steps.py makes it: losses
of a first step are compared, then all contestants take turns. --draw draws the picture from the
lines of --json, for each point from those of its last run.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import peers
import steps
import timing
from plots import COLOURS, Axis, Box, Panel, Sheet

HERE = Path(__file__).parent
AXES = {
    "batch": (8, 16, 32, 64, 128, 256),
    "width": (16, 32, 64, 128),
    "size": (16, 32, 64, 128),
}
UNITS = {"batch": "batch (images)", "width": "width (channels)", "size": "size (pixels a side)"}
# compiling takes minutes at each point, and is not the best on any step of steps.py with DCGAN
VARIANTS = ["eager", "frozen D", "channels last", "fused Adam"]
Row = dict[str, Any]
Curves = dict[str, dict[int, float]]  # by name, then by value on the axis


@dataclass(frozen=True)
class Point:
    """A step: images of it, channels of the outer layers, pixels a side."""

    batch: int = 64
    width: int = 64
    size: int = 64

    def on(self, axis: str) -> bool:
        """Tell whether the point lies on an axis: the others are as they stay."""
        own, still = asdict(self), asdict(Point())
        return all(own[name] == still[name] for name in AXES if name != axis)


def points_of(asked: Sequence[str]) -> list[Point]:
    """Return the points of texts such as ``batch=8,64``, each once; those of all axes for none.

    Raises:
        SystemExit: a text is none of that kind.
    """
    wanted: dict[Point, None] = {}
    for text in asked or [f"{axis}={','.join(map(str, AXES[axis]))}" for axis in AXES]:
        axis, _, numbers = text.partition("=")
        values = numbers.split(",")
        if axis not in AXES or not all(value.isdecimal() and int(value) for value in values):
            raise SystemExit(
                f"--points {text}: use batch=, width= or size= and numbers: batch=8,64"
            )
        wanted |= {Point(**{axis: int(value)}): None for value in values}
    return list(wanted)


def measure(point: Point, others: list[str], variants: list[str], rounds: int) -> list[Row]:
    """Compare and time the contestants at a point; return a row each, ours first."""
    case = steps.dcgan_case(point.size, point.width)
    said = [steps.compare(case, point.batch)] if "torch" in others else []
    contestants = steps.contestants(case, point.batch, others, variants)
    result = timing.take_turns(contestants, rounds=rounds, seconds=0.3)
    probe = f"probe {100 * result.quality:.0f} % of two threads"
    print(f"\n{point}: {', '.join([*said, probe])}", flush=True)
    context = timing.environment() | {"bench": "scaling", "run": time.strftime("%FT%T")}
    context |= asdict(point) | {"probe_quality": result.quality, "rounds": len(result.rounds)}
    rows = []
    for name, timed in result.timings.items():
        rate = case.flops * point.batch / timed.median / 1e9
        ratio = result.ratio(name, "tinygan")
        print(f"{name:24s}{1e3 * timed.median:10.2f} ms{ratio:8.2f} x{rate:8.1f} GFLOP/s")
        found = {"contestant": name, "median_ms": 1e3 * timed.median}
        rows.append(context | found | {"least_ms": 1e3 * timed.best, "gflops": rate})
    return rows


def last_runs(rows: Sequence[Row]) -> dict[Point, dict[str, float]]:
    """Return milliseconds by point and contestant, of the last run at each point."""
    found: dict[Point, tuple[str, dict[str, float]]] = {}
    for row in rows:
        point = Point(row["batch"], row["width"], row["size"])
        run = found.get(point, ("", {}))
        if row["run"] != run[0]:
            run = found[point] = (row["run"], {})
        run[1][row["contestant"]] = row["median_ms"]
    return {point: times for point, (_, times) in found.items()}


def curves(times: dict[Point, dict[str, float]], axis: str) -> Curves:
    """Return milliseconds by value on an axis: ours, PyTorch's eager, its best variant there."""
    found: Curves = {}
    on_axis = [point for point in times if point.on(axis)]
    for point in sorted(on_axis, key=lambda point: getattr(point, axis)):
        at, own = getattr(point, axis), times[point]
        theirs = {name: ms for name, ms in own.items() if name.startswith("torch")}
        shown = {"tinygan": own["tinygan"], "PyTorch, eager": theirs.get("torch eager")}
        shown["PyTorch, best variant"] = min(theirs.values(), default=None)
        for name, ms in shown.items():
            if ms is not None:
                found.setdefault(name, {})[at] = ms
    return found


def draw(path: Path, rows: Sequence[Row]) -> None:
    """Draw milliseconds of a step above, how many times as long as ours below; an axis a column."""
    times = last_runs(rows)
    shown = {axis: curves(times, axis) for axis in AXES}
    shown = {axis: found for axis, found in shown.items() if len(found.get("tinygan", ())) > 1}
    if not shown:
        print("no axis has two points yet: nothing to draw")
        return
    sheet = Sheet(90 + 450 * len(shown), 880)
    last = rows[-1]
    machine = f"{last['cpu']}, {last['isa']}, {last['threads']} thread{'s' * (last['threads'] > 1)}"
    sheet.text((80, 24), f"A training step of DCGAN on {machine}; what does not change is 64")
    for column, (axis, found) in enumerate(shown.items()):
        left = 80 + 450 * column
        ratios = {
            name: {at: ms / found["tinygan"][at] for at, ms in curve.items()}
            for name, curve in found.items()
        }
        upper = _panel(sheet, (left, 60, left + 370, 400), axis, "ms a step", found)
        upper.legend((left + 16, 78), dict(zip(found, COLOURS, strict=False)))
        _panel(sheet, (left, 480, left + 370, 800), axis, "times as long as tinygan", ratios)
    sheet.save(path)


def _panel(sheet: Sheet, box: Box, axis: str, unit: str, found: Curves) -> Panel:
    ticks = tuple(sorted({float(at) for curve in found.values() for at in curve}))
    values = [value for curve in found.values() for value in curve.values()]
    panel = Panel(sheet, box, x=Axis.around(UNITS[axis], ticks, ticks), y=Axis.around(unit, values))
    for curve, colour in zip(found.values(), COLOURS, strict=False):
        panel.line(list(curve.items()), colour)
        for at, value in curve.items():
            panel.marker(at, value, colour)
    return panel


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", nargs="+", default=[], help="batch=8,64 size=32 (default: all)")
    parser.add_argument("--peer", default="", help="torch, if it is installed")
    parser.add_argument("--variant", action="append", help="of PyTorch; once for each")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "scaling.jsonl")
    parser.add_argument("--picture", type=Path, default=HERE / "pictures" / "scaling.png")
    parser.add_argument("--draw", action="store_true", help="draw what --json has, time nothing")
    return parser.parse_args()


def main() -> None:
    """Measure each point, append its lines, and draw."""
    args = parse()
    if not args.draw:
        others = peers.named(args.peer, ("torch",))
        asked = args.variant or (VARIANTS if others else None)
        variants = steps.torch_variants(asked, others)
        for point in points_of(args.points):
            rows = measure(point, others, variants, args.rounds)
            with args.json.open("a") as out:
                out.writelines(json.dumps(row) + "\n" for row in rows)
            gc.collect()  # the contestants of a point hold gigabytes
    draw(args.picture, [json.loads(line) for line in args.json.read_text().splitlines()])


if __name__ == "__main__":
    main()
