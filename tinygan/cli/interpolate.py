"""``tinygan interpolate RUN``: walk from sample to sample in latent space.

z is drawn from N(0, I), whose mass lies near a sphere, so the walk goes along great circles
(White, arXiv:1609.04468); a straight line would cut through a region that G never saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from ..kernels.arrays import Array
from ..metrics.path_length import slerp
from ..runs.grids import make_grid, save_png
from ..runs.pictures import save_samples
from .arguments import parse
from .exits import OK, UsageError
from .opening import open_trained


@dataclass(frozen=True)
class Options:
    """Which run, how many walks, how fine.

    Attributes:
        run: the run's folder, or the start of its name: runs/00000.
        rows: number of walks, one a row.
        frames: samples a walk, both ends included.
        seed: another seed walks elsewhere.
        ema: use the averaged weights, where there are some.
        out: the .png to write; by default interpolation-seedN.png in the run's folder.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    rows: int = 8
    frames: int = 10
    seed: int = 0
    ema: bool = True
    out: str = ""


def run(args: list[str]) -> int:
    """Run the verb."""
    options = parse("tinygan interpolate", Options, args)
    if options.rows < 1 or options.frames < 2:
        raise UsageError(
            f"--rows {options.rows} --frames {options.frames}: use 1 row and 2 frames or more"
        )
    trained = open_trained(options.run, ema=options.ema)
    out = Path(options.out or trained.run.path / f"interpolation-seed{options.seed}.png")
    ends = trained.latent(2 * options.rows, options.seed)
    classes = trained.labels(options.rows)  # a walk stays in its class
    samples = trained(
        walk(ends[::2], ends[1::2], options.frames),
        None if classes is None else classes.repeat(options.frames),
    )
    if samples.ndim == 4:
        save_png(out, make_grid(samples, nrow=options.frames))
    else:
        save_samples(out, samples, 1.25 * float(np.abs(samples).max()))
    print(f"{options.rows} walks of {options.frames} samples: {out}")
    return OK


def walk(a: Array, b: Array, frames: int) -> Array:
    """Go from each a to its b along a great circle. Shapes: (n, d), (n, d) -> (n * frames, d)."""
    t = np.tile(np.linspace(0.0, 1.0, frames), len(a))
    return slerp(a.repeat(frames, axis=0), b.repeat(frames, axis=0), t).astype(a.dtype)
