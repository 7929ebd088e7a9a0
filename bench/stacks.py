"""Stacks of a generator's blocks: forward, backward and Adam, beside the same in PyTorch.

    python bench/stacks.py --case cyclegan_blocks [--peer torch] [--json FILE]

Cases: cyclegan_blocks (nine residual blocks of 256 channels at 64 x 64 pixels, one image: the
middle of CycleGAN's generator for images of 256 pixels). A step descends E |y - target|.

Before anything is timed both sides take a step from the same weights, and their losses must agree.
All contestants take turns in one run (see timing.py).
"""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import peers
import timing

from tinygan import kernels, nn, optim, random
from tinygan.autograd import Tensor, grad
from tinygan.gan import l1
from tinygan.gan.networks import ResidualBlock, translation_init

LOSSES_AGREE = 2e-3  # relative: losses of float32 networks, summed in other orders
VARIANTS = ("eager", "channels last", "fused Adam", "compiled, channels last")


@dataclass(frozen=True)
class Stack:
    """A stack of blocks.

    Attributes:
        net: makes ours.
        peer: name of what makes it in ``peers.torch_stacks``, and its arguments.
        inputs: shapes of what it takes; the last is that of the target.
    """

    net: Callable[[], nn.Module]
    peer: tuple[str, tuple[int, ...]]
    inputs: tuple[tuple[int, ...], ...]

    def arrays(self) -> list[np.ndarray]:
        """Return inputs and target, images channels last in memory."""
        rng, found = np.random.default_rng(0), []
        for shape in self.inputs:
            x = rng.uniform(-1, 1, shape).astype(np.float32)
            if x.ndim == 4:
                x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
            found.append(x)
        return found

    def made(self) -> nn.Module:
        """Return our stack, the same at every call."""
        with random.using(random.Streams(0)):
            return self.net().apply(translation_init)


def residual_stack(channels: int, blocks: int) -> nn.Module:
    """Return CycleGAN's residual blocks in a row."""
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))


CASES = {
    "cyclegan_blocks": Stack(
        lambda: residual_stack(256, 9), ("residual_stack", (256, 9)), ((1, 256, 64, 64),) * 2
    ),
}


def ours(stack: Stack) -> Callable[[], float]:
    """Return our step."""
    net = stack.made()
    adam = optim.Adam(net.parameters(), 2e-4, betas=(0.5, 0.999))
    *given, target = map(Tensor, stack.arrays())

    def _step() -> float:
        with kernels.caching():
            loss = l1(net(*given), target)
            adam.step(grad(loss, adam.params))
            return float(loss)

    return _step


def theirs(stack: Stack, variant: str) -> Callable[[], float]:
    """Return PyTorch's step."""
    peer = importlib.import_module("peers.torch_stacks")
    peer.torch.set_num_threads(timing.native.num_threads())
    name, args = stack.peer
    return peer.step(getattr(peer, name)(*args), stack.made().state_dict(), stack.arrays(), variant)


def compare(stack: Stack) -> str:
    """Take three steps on both sides; return a line that says how far the losses differ.

    Raises:
        SystemExit: they differ by more than rounding.
    """
    steps = ours(stack), theirs(stack, "eager")
    mine, other = (np.array([step() for _ in range(3)]) for step in steps)
    apart = float(np.max(abs(mine - other) / abs(other)))
    if not apart <= LOSSES_AGREE:
        raise SystemExit(f"losses {mine} and PyTorch's {other} differ: nothing is timed")
    return f"losses of three steps agree with PyTorch's to {apart:.0e}"


def main() -> None:
    """Compare, measure, print a table and append JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, default="cyclegan_blocks")
    parser.add_argument("--peer", default="", help="torch, where it is installed")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="append one line a contestant to this file")
    args = parser.parse_args()
    stack, others = CASES[args.case], peers.named(args.peer, ("torch",))
    found: dict[str, Any] = {"tinygan": ours(stack)}
    if others:
        print(compare(stack))
        found |= {f"torch {variant}": theirs(stack, variant) for variant in VARIANTS}
    result = timing.take_turns(found, rounds=args.rounds, seconds=0.3)
    mine = result.timings["tinygan"].median
    print(f"{args.case}, {len(result.rounds)} rounds; probe {100 * result.quality:.0f} %")
    for key, timed in result.timings.items():
        print(f"{key:32s}{1e3 * timed.median:9.1f} ms{timed.median / mine:8.2f} x tinygan")
    if args.json:
        context = timing.environment() | {"bench": "stacks", "case": args.case}
        context |= {"probe_quality": result.quality, "rounds": len(result.rounds)}
        with args.json.open("a") as out:
            for key, timed in result.timings.items():
                row = {"contestant": key, "median_ms": 1e3 * timed.median}
                out.write(json.dumps(context | row | {"least_ms": 1e3 * timed.best}) + "\n")


if __name__ == "__main__":
    main()
