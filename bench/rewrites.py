"""Milliseconds of a 3 x 3 convolution beside a resampling: as two ops, and rewritten as one.

    python bench/rewrites.py [--batch 64] [--repeats 7] [--clock wall|cpu]

Layers of SNGAN's ResNet for CIFAR-10 (arXiv:1802.05957, table 3), forward, and forward with the
gradients of x, w and b. Both contestants take turns within one run, and medians are compared.
``cpu`` counts the seconds of all threads together, which other programs disturb less.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
import timing

from tinygan import Tensor, grad, ops

# op, channels, input size
LAYERS = (
    ("upsample_conv2d", 256, 4),
    ("upsample_conv2d", 256, 8),
    ("upsample_conv2d", 256, 16),
    ("conv2d_avg_pool", 128, 32),
    ("conv2d_avg_pool", 128, 16),
)
Fn = Callable[..., Tensor]


def _up(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return ops.conv2d(ops.upsample_nearest(x, 2), w, b, padding=1)


def _down(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return ops.avg_pool2d(ops.conv2d(x, w, b, padding=1), 2)


TWO_OPS: dict[str, Fn] = {"upsample_conv2d": _up, "conv2d_avg_pool": _down}


def _operands(batch: int, channels: int, size: int) -> list[Tensor]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, size, size, channels)).transpose(0, 3, 1, 2)  # channels last
    w = rng.normal(size=(channels, channels, 3, 3)) / (3 * channels**0.5)
    arrays = (x, w, np.zeros(channels))
    return [Tensor(a.astype(np.float32), requires_grad=True) for a in arrays]


def _gradients(fn: Fn, xs: list[Tensor], g: Tensor) -> list[Tensor]:
    return list(grad(fn(*xs), xs, g))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--clock", choices=timing.CLOCKS, default="wall")
    args = parser.parse_args()
    print(f"batch {args.batch}, {args.clock} ms: two ops -> one (ratio)")
    for name, channels, size in LAYERS:
        xs = _operands(args.batch, channels, size)
        fns: list[Fn] = [TWO_OPS[name], getattr(ops, name)]
        g = Tensor(np.ones_like(fns[1](*xs).data))
        forward = [partial(fn, *xs) for fn in fns]
        both = [partial(_gradients, fn, xs, g) for fn in fns]
        cells = []
        for what, runs in (("forward", forward), ("with gradients", both)):
            result = timing.take_turns(
                dict(zip(("two", "one"), runs, strict=True)),
                rounds=args.repeats,
                clock=timing.CLOCKS[args.clock],
            )
            two, one = (1e3 * result.timings[key].median for key in ("two", "one"))
            cells.append(f"{what} {two:.1f} -> {one:.1f} ({result.ratio('two', 'one'):.2f}x)")
        print(f"{name} {channels} ch @{size}: {', '.join(cells)}")


if __name__ == "__main__":
    main()
