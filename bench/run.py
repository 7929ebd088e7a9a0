"""Kernels one by one: milliseconds, GFLOP/s, GB/s, and the share of what the machine could do.

    python bench/run.py [--only REGEX] [--batch 64] [--peer torch] [--variants] [--json FILE]
    python bench/run.py --picture bench/pictures/roofline.png

On a busy machine, compare CPU seconds of one thread instead of wall time:

    TINYGAN_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python bench/run.py --clock cpu

"Roof" is the share of the roofline: the least time of the operations and bytes of the definition,
at the multiply-adds and the bandwidth measured at the start, over the time taken. Winograd's
algorithms need fewer operations than the definition, and caches may beat the bandwidth: both may
pass 100 %. Results are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peers
import roofline
import timing
from cases import Case, all_cases, rate

from tinygan import kernels
from tinygan.kernels.machine import Machine, measure_machine

AGREE = 1e-3  # of the largest entry: float32 sums in other orders


def first(out: Any) -> np.ndarray:
    """Return the first result as an array."""
    return np.asarray(out[0] if isinstance(out, tuple) else out)


def contestants(case: Case, others: list[str], variants: bool) -> dict[str, Callable[[], Any]]:
    """Return who competes: the kernel that would run, other C++ variants, and the peers."""
    operands = case.operands()
    chosen = kernels.choose(case.op, *operands, **case.params)
    able = [
        k
        for k in kernels.kernels(case.op)
        if k.backend == "cpp" and k.refusal(*operands, **case.params) is None
    ]
    found: dict[str, Callable[[], Any]] = {}
    for kernel in [chosen, *(k for k in able if variants and k.variant not in ("direct",))]:
        found.setdefault(
            f"{kernel.backend}/{kernel.variant}",
            lambda kernel=kernel: kernel.fn(*case.operands(), **case.params),
        )
    if "torch" in others:
        peer = importlib.import_module("peers.torch_kernels")
        peer.torch.set_num_threads(timing.native.num_threads())
        for name in peer.LAYOUTS:
            call = peer.call(case, name)
            if call is not None:
                found[name] = call
    return found


def compare(case: Case, found: dict[str, Callable[[], Any]]) -> None:
    """Run each once against the reference.

    Raises:
        SystemExit: one differs by more than rounding.
    """
    with kernels.use_backend("numpy"):
        expected = first(kernels.call(case.op, *case.operands(), **case.params))
    for name, fn in found.items():
        apart = float(np.max(abs(first(fn()) - expected)) / np.max(abs(expected)))
        if not apart <= AGREE:
            raise SystemExit(f"{case.name}: {name} is off by {apart:.1e} of the largest entry")


def row(case: Case, name: str, timed: timing.Timing, ours: float, machine: Machine) -> str:
    """Format one line of the table."""
    flops, moved = rate(case, timed.median)
    roof = 100 * machine.seconds(case.flops, case.moved) / timed.median
    return (
        f"{case.name:36s}{name:22s}{1e3 * timed.median:9.3f}{flops:9.1f}{moved:8.1f}{roof:7.0f}"
        f"{timed.median / ours:10.2f}"
    )


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose name this expression finds")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peer", default="", help="torch, if it is installed")
    parser.add_argument("--variants", action="store_true", help="all C++ variants, not the chosen")
    parser.add_argument("--clock", choices=timing.CLOCKS, default="wall")
    parser.add_argument("--json", type=Path, help="append one line a contestant to this file")
    parser.add_argument("--picture", type=Path, help="draw the kernels below the roofline: a PNG")
    return parser.parse_args()


def main() -> None:
    """Compare, measure, print a table and append JSON lines."""
    args = parse()
    others = peers.named(args.peer, ("torch",))
    machine = measure_machine(timing.CLOCKS[args.clock])
    caption = (
        f"{machine.gflops:.0f} GFLOP/s on all threads, {machine.one_thread:.0f} on one, "
        f"{machine.gbytes:.0f} GB/s; batch {args.batch}, {args.clock} time, medians"
    )
    print(caption)
    print(f"{'':58s}{'ms':>9s}{'GFLOP/s':>9s}{'GB/s':>8s}{'roof %':>7s}{'x ours':>10s}")
    measured: list[roofline.Measured] = []
    for case in all_cases(args.batch):
        if not re.search(args.only, case.name):
            continue
        found = contestants(case, others, args.variants)
        compare(case, found)
        with kernels.caching():  # as in training, see kernels/memory.py
            result = timing.take_turns(found, rounds=args.rounds, clock=timing.CLOCKS[args.clock])
        kernel, ours = next((name, timed.median) for name, timed in result.timings.items())
        if case.flops:  # a copy has no place on the roofline
            measured.append(roofline.Measured(case.name, kernel, case.flops, case.moved, ours))
        for name, timed in result.timings.items():
            print(row(case, name, timed, ours, machine), flush=True)
        if args.json:
            save(args, case, result, machine)
    if args.picture and measured:
        roofline.draw(args.picture, machine, measured, caption)


def save(args: argparse.Namespace, case: Case, result: timing.Result, machine: Machine) -> None:
    """Append a case's lines."""
    context = timing.environment() | {"bench": "run", "case": case.name, "batch": args.batch}
    context |= {"clock": args.clock, "probe_quality": result.quality}
    context |= {"peak_gflops": machine.gflops, "peak_gbytes": machine.gbytes}
    with args.json.open("a") as out:
        for name, timed in result.timings.items():
            flops, moved = rate(case, timed.median)
            found = {"contestant": name, "median_ms": 1e3 * timed.median}
            found |= {"gflops": flops, "gbytes": moved}
            found["roof"] = machine.seconds(case.flops, case.moved) / timed.median
            out.write(json.dumps(context | found) + "\n")


if __name__ == "__main__":
    main()
