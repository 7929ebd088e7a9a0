"""How much of a training step is Python: CPU time outside the C++ kernels, and with tiny networks.

    python bench/overhead.py [--case mlp] [--steps 200] [--json FILE]

Two views of the same cost, each the median and the least of many steps on one thread:

    outside    the step as it is, less what its kernels take between the entry into C++ and the
               return. What is left is Python and NumPy, on caches that the kernels have emptied.
    tiny       the whole step of the same networks at the least widths and batch 2, where the
               kernels cost next to nothing: as many ops, Python in warm caches.

The kernels' clocks cost 1 us a call or so; they are subtracted. CPU time of the thread, so that
other work on the machine counts as little as it can.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TINYGAN_NUM_THREADS", "1")  # the clock is that of one thread

import steps
import timing

from tinygan.gan import Game, fit
from tinygan.kernels.native import native
from tinygan.recipes import dcgan

clock = time.thread_time
KERNELS = """adam batch_norm batch_norm_stats batch_norm_vjp bias_act bias_act_vjp conv2d gan_loss
    gan_loss_vjp matmul philox reduce state_copy state_finite"""


def tiny_mlp(config: steps.BenchConfig, data_shape: tuple[int, ...]) -> Game:
    """Set up the MLP GAN with hidden layers of four units."""
    return steps.mlp_setup(config, data_shape, hidden_g=(4, 4), hidden_d=(4, 4))


TINY = {
    "mlp": (dataclasses.replace(steps.MLP, setup=tiny_mlp), steps.BenchConfig(batch=2)),
    "dcgan64": (dcgan.RECIPE, dcgan.Config(batch=2, ngf=1, ndf=1)),
}


class Inside:
    """Counts the calls of C++ kernels, and the time that passes in them."""

    def __init__(self) -> None:
        self.calls, self.seconds = 0, 0.0

    def reset(self) -> None:
        """Begin anew."""
        self.calls, self.seconds = 0, 0.0

    def watch(self, names: list[str]) -> None:
        """Put a clock around these functions of the module, for good."""
        for name in names:
            setattr(native, name, self._timed(getattr(native, name)))

    def _timed(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def _run(*args: Any) -> Any:
            start = clock()
            result = kernel(*args)
            self.seconds += clock() - start
            self.calls += 1
            return result

        return _run


def tiny(name: str) -> Iterator[Game]:
    """Return the training loop of a case at the least widths."""
    recipe, config = TINY[name]
    real = steps.images(steps.CASES[name], config.batch)
    return fit(recipe, itertools.repeat(real), steps=sys.maxsize, seed=0, config=config)


def milliseconds(loop: Iterator[Game], count: int) -> list[float]:
    """Return the CPU time of each of so many steps."""
    taken = []
    for _ in range(count):
        start = clock()
        next(loop)
        taken.append(1e3 * (clock() - start))
    return taken


def outside(loop: Iterator[Game], count: int, inside: Inside) -> list[float]:
    """Return, of each of so many steps, the CPU time that passes outside the kernels."""
    start = clock()
    for _ in range(1000):
        clock()
    tick = (clock() - start) / 1000
    taken = []
    for _ in range(count):
        inside.reset()
        (whole,) = milliseconds(loop, 1)
        taken.append(whole - 1e3 * (inside.seconds + tick * inside.calls))
    return taken


def measure(name: str, count: int) -> dict[str, list[float]]:
    """Return the milliseconds of the steps, by view."""
    inside, full, small = Inside(), steps.ours(steps.CASES[name], 64), tiny(name)
    milliseconds(full, 3), milliseconds(small, 10)  # warm
    found = {"step": milliseconds(full, count), "tiny": milliseconds(small, max(count, 200))}
    inside.watch(KERNELS.split())
    return found | {"outside": outside(full, count, inside)}


def main() -> None:
    """Measure, print and append a JSON line a view."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=TINY, default="mlp")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--json", type=Path, help="append one line a view to this file")
    args = parser.parse_args()
    print(f"{args.case}: CPU ms a step, one thread\n{'':12s}{'median':>9s}{'least':>9s}")
    for view, taken in measure(args.case, args.steps).items():
        row = {"view": view, "median_ms": statistics.median(taken), "least_ms": min(taken)}
        print(f"{view:12s}{row['median_ms']:9.2f}{row['least_ms']:9.2f}")
        if args.json:
            context = timing.environment() | {"bench": "overhead", "case": args.case}
            with args.json.open("a") as out:
                out.write(json.dumps(context | row) + "\n")


if __name__ == "__main__":
    main()
