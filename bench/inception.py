"""Features of Inception-v3 at 299 pixels, beside PyTorch's of the same net.

    python bench/inception.py --peer torch [--batch 8] [--json FILE]

Weights are random, with running statistics measured on noise, so that activations keep the scale
that trained ones have. Before anything is timed both sides compute the features of a batch, and
they must agree. PyTorch runs eager as the FID packages run it, in its own and in channels-last
layout; ours has its batch norms folded. All take turns in one run (see timing.py). Peak memory is
of a process of its own for each contestant.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peers
import timing
from steps import highest_resident_set

from tinygan import nn
from tinygan.autograd import Tensor, no_grad
from tinygan.metrics.inception import SIDE, InceptionV3, load_inception

AGREE = 1e-4  # relative, of the norm: two float32 nets of 94 convolutions
GFLOP = 11.42  # of the convolutions for an image: multiply-adds, times 2


def images(batch: int) -> np.ndarray:
    """Return noise in [-1, 1], channels last in memory as resizing leaves images."""
    noise = np.random.default_rng(0).uniform(-1, 1, (batch, SIDE, SIDE, 3))
    return noise.astype(np.float32).transpose(0, 3, 1, 2)


def measured_net() -> InceptionV3:
    """Return a net of random weights whose batch norms have seen two images."""
    net = InceptionV3()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with no_grad():
        net.train()(Tensor(images(2)))
    return net.eval()


def ours(net: InceptionV3, batch: int) -> Callable[[], Any]:
    """Return a function that computes the features of a batch by a folded net."""
    folded, x = load_inception(net.state_dict()), Tensor(images(batch))

    def run() -> Any:
        with no_grad():
            return folded(x).numpy()

    return run


def contestants(batch: int, torch: bool) -> dict[str, Callable[[], Any]]:
    """Return what competes, by name."""
    net = measured_net()
    found = {"tinygan": ours(net, batch)}
    if torch:
        peer = importlib.import_module("peers.torch_inception")
        peer.torch.set_num_threads(timing.native.num_threads())
        x = np.ascontiguousarray(images(batch))
        found |= {f"torch {name}": peer.runner(net, x, name) for name in peer.VARIANTS}
    return found


def compare(runs: dict[str, Callable[[], Any]]) -> None:
    """Print how far the features differ.

    Raises:
        SystemExit: they differ by more than rounding.
    """
    mine = runs["tinygan"]()
    for name, run in runs.items():
        theirs = run()
        apart = float(np.linalg.norm(mine - theirs) / np.linalg.norm(theirs))
        if not apart <= AGREE:
            raise SystemExit(f"{name}: features differ by {apart:.0e}: nothing is timed")
        if name != "tinygan":
            print(f"features agree with {name}'s to {apart:.0e}")


def peak_memory(batch: int, contestant: str) -> float:
    """Return by how many MB the resident set of a process grows in two passes."""
    command = [sys.executable, __file__, "--batch", str(batch), "--peak", contestant]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def print_peak(batch: int, contestant: str) -> None:
    """Take two passes of one contestant in this process and print the growth in MB."""
    run = contestants(batch, contestant != "tinygan")[contestant]
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew, at what is resident
    before = highest_resident_set()
    for _ in range(2):
        run()
    print(highest_resident_set() - before)


def report(batch: int, result: timing.Result, memory: dict[str, float]) -> None:
    """Print a table."""
    mine = result.timings["tinygan"].median
    print(f"batch {batch}, {len(result.rounds)} rounds, probe {100 * result.quality:.0f} %")
    print(f"{'':24s}{'ms/image':>9s}{'least':>9s}{'x tinygan':>11s}{'GFLOP/s':>9s}{'peak MB':>9s}")
    for name, timed in result.timings.items():
        each = timed.median / batch
        print(
            f"{name:24s}{1e3 * each:9.2f}{1e3 * timed.best / batch:9.2f}{timed.median / mine:11.2f}"
            f"{GFLOP / each:9.0f}{memory.get(name, np.nan):9.0f}"
        )


def main() -> None:
    """Compare, measure, print a table and append JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--peer", default="", help="torch, if this Python has it")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--clock", choices=timing.CLOCKS, default="wall")
    parser.add_argument("--no-memory", action="store_true", help="leave peak memory out")
    parser.add_argument("--json", type=Path, help="append one line a contestant to this file")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak:
        return print_peak(args.batch, args.peak)
    runs = contestants(args.batch, "torch" in peers.named(args.peer, ("torch",)))
    compare(runs)
    clock = timing.CLOCKS[args.clock]
    result = timing.take_turns(runs, rounds=args.rounds, seconds=0.3, clock=clock)
    memory = {} if args.no_memory else {name: peak_memory(args.batch, name) for name in runs}
    report(args.batch, result, memory)
    if args.json:
        context = timing.environment() | {"bench": "inception", "batch": args.batch}
        context |= {"probe_quality": result.quality, "rounds": len(result.rounds)}
        with args.json.open("a") as out:
            for name, timed in result.timings.items():
                row = {"contestant": name, "median_ms": 1e3 * timed.median}
                row |= {"least_ms": 1e3 * timed.best, "peak_mb": memory.get(name)}
                out.write(json.dumps(context | row) + "\n")
    return None


if __name__ == "__main__":
    main()
