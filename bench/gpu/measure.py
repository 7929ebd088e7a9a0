"""One command for a machine with a GPU: check every kernel there, then measure, and keep all of it.

    python bench/gpu/measure.py --minutes 8 [--only conformance,ceilings,kernels,steps] [--out DIR]

It needs Python 3.10 or later, NumPy, CuPy and PyTorch, and runs from a checkout that is not
installed. In this order: the wrappers of PTX and the conformance suite on the hardware; the
ceilings (copy bandwidth, matrix rate); kernels beside PyTorch's (cuDNN, torch.compile); whole
training steps beside PyTorch's. Outputs are compared before anything is timed; contestants take
turns, and the figure is the median of at least five turns. Every line is written as soon as it is
known, to ``bench/results/<gpu>-<date>.jsonl``, so that a run that is stopped keeps what it has; it
ends by itself inside its time, names what it left out, and sets what it has beside the goals.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "bench"), str(ROOT / "bench" / "gpu")]

STAGES = ("conformance", "ceilings", "kernels", "steps")
SHARE = {"conformance": 0.35, "ceilings": 0.05, "kernels": 0.25, "steps": 0.35}  # of the time


class Record:
    """The rows of a run: appended to a file one by one, and printed.

    Args:
        path: of the file.
        head: what every row says of the machine.
        deadline: when the run must be over, by ``time.monotonic``.
    """

    def __init__(self, path: Path, head: dict[str, Any], deadline: float) -> None:
        self.path, self.head, self.deadline = path, head, deadline
        self.left_out: list[str] = []

    def add(self, stage: str, **row: Any) -> None:
        """Write a row and print it."""
        line = {"stage": stage, **row}
        with self.path.open("a") as out:
            out.write(json.dumps(line | self.head) + "\n")
        print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}"
                        for k, v in line.items()), flush=True)  # fmt: skip

    def room(self, until: float, what: str) -> bool:
        """Tell whether there is time for more; note what is left out if not."""
        if time.monotonic() < min(until, self.deadline):
            return True
        self.left_out.append(what)
        return False


def machine(cupy: Any, torch: Any) -> dict[str, Any]:
    """Describe the GPU and the libraries."""
    device = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    return {
        "gpu": device["name"].decode(),
        "date": time.strftime("%Y-%m-%d"),
        "cuda": cupy.cuda.runtime.runtimeGetVersion(),
        "cupy": cupy.__version__,
        "torch": torch.__version__,
        "cudnn": torch.backends.cudnn.version(),
    }


def check(record: Record, until: float, cupy: Any) -> None:
    """Hold every CUDA kernel to the rules, on the hardware."""
    from on_device import verdicts, wrappers

    failed = 0
    for found in itertools.chain(wrappers(cupy), verdicts(cupy)):
        failed += bool(found.failure)
        said = {"failure": found.failure} if found.failure else {}
        record.add("conformance", kernel=found.kernel, calls=found.calls, ratio=found.ratio, **said)
        if not record.room(until, "conformance of the kernels that follow"):
            break
    print(f"conformance: {failed} kernels broke a rule")


def compete(record: Record, stage: str, until: float, races: Iterator[Any]) -> None:
    """Run races while there is time.

    Args:
        record: takes the rows.
        stage: the stage's name.
        until: when the stage must be over.
        races: each gives a name, a check, the contestants, and further columns.
    """
    from clock import take_turns

    for race in races:
        if not record.room(until, f"{stage} from {race.name} on"):
            return
        try:
            apart = race.compare()
            seconds, failed = take_turns(race.contestants)
            if "tinygan" in failed:
                raise RuntimeError(failed["tinygan"])
        except Exception as error:  # one race must not end the run
            record.add(stage, name=race.name, error=f"{type(error).__name__}: {error}"[:300])
            continue
        mine = seconds["tinygan"]
        ratios = {f"x {name}": s / mine for name, s in seconds.items() if name != "tinygan"}
        columns = race.columns(mine) | {f"{name} failed": why for name, why in failed.items()}
        record.add(stage, name=race.name, us=1e6 * mine, apart=apart, **columns, **ratios)


def main() -> int:
    """Run the stages; return 1 where a kernel broke a rule."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--only", default=",".join(STAGES), help="stages, with commas between")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results")
    args = parser.parse_args()
    asked = args.only.split(",")
    if wrong := set(asked) - set(STAGES):
        parser.error(f"--only {', '.join(sorted(wrong))}: {', '.join(STAGES)} fit")
    try:
        import cupy
        import torch
    except ImportError as error:
        parser.error(f"{error.name} is not installed: measuring needs CuPy and PyTorch on a GPU")
    if not torch.cuda.is_available():
        parser.error("PyTorch sees no GPU")
    return measure(args, asked, cupy, torch)


def measure(args: argparse.Namespace, asked: list[str], cupy: Any, torch: Any) -> int:
    """Run the stages that were asked for, each in its share of the time."""
    import goals
    import kernel_races
    import step_races

    head, start = machine(cupy, torch), time.monotonic()
    name = f"{head['gpu'].lower().replace(' ', '-')}-{head['date']}.jsonl"
    args.out.mkdir(parents=True, exist_ok=True)
    record = Record(args.out / name, head, start + 60 * args.minutes - 15)
    whole = sum(SHARE[stage] for stage in asked)
    run: dict[str, Callable[[float], None]] = {
        "conformance": lambda until: check(record, until, cupy),
        "ceilings": lambda until: kernel_races.ceilings(record, cupy, torch),
        "kernels": lambda until: compete(record, "kernels", until, kernel_races.races(cupy, torch)),
        "steps": lambda until: compete(record, "steps", until, step_races.races(cupy, torch)),
    }
    until = start
    for stage in STAGES:
        if stage in asked:
            until += 60 * args.minutes * SHARE[stage] / whole
            print(f"--- {stage}", flush=True)
            run[stage](until)
    for what in record.left_out:
        print(f"left out for want of time: {what}")
    print(goals.table(goals.newest(args.out)))
    print(f"written to {record.path}")
    return int(any('"failure"' in line for line in record.path.read_text().splitlines()))


if __name__ == "__main__":
    sys.exit(main())
