"""``tinygan sample RUN``: make a grid of samples, or an array of them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from ..kernels.arrays import Array
from ..runs.files import write_atomic
from ..runs.pictures import save_samples
from .arguments import parse
from .exits import OK, UsageError
from .opening import Trained, open_trained


@dataclass(frozen=True)
class Options:
    """Which run, how many samples, where to.

    Attributes:
        run: the run's folder, or the start of its name: runs/00000.
        n: number of samples.
        seed: another seed gives other samples.
        label: number of the class to make, from 0; -1: one class after the other. Recipes that
            are given labels only.
        ema: use the averaged weights, where there are some.
        out: a .png for a grid (a plot, if the samples are points), an .npz for the numbers; by
            default samples-seedN.png in the run's folder.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    n: int = 64
    seed: int = 0
    label: int = -1
    ema: bool = True
    out: str = ""


def run(args: list[str]) -> int:
    """Run the verb."""
    options = parse("tinygan sample", Options, args)
    if options.n < 1:
        raise UsageError(f"--n {options.n}: use 1 or more")
    if options.out and Path(options.out).suffix not in (".png", ".npz"):
        raise UsageError(f"--out {options.out}: the ending .png or .npz fits")
    trained = open_trained(options.run, ema=options.ema)
    out = Path(options.out or trained.run.path / f"samples-seed{options.seed}.png")
    chosen = options.label != -1
    labels = only(trained, options.label, options.n) if chosen else trained.labels(options.n)
    write(out, trained(trained.latent(options.n, options.seed), labels))
    print(f"{options.n} samples of step {trained.game.step}: {out}")
    return OK


def only(trained: Trained, label: int, n: int) -> Array:
    """Return n times the label that was asked for; raises ``UsageError``."""
    if not trained.recipe.labelled:
        raise UsageError(f"--label {label}: {trained.recipe.name} knows no classes")
    classes: int = trained.game.config.num_classes
    if not 0 <= label < classes:
        raise UsageError(f"--label {label}: use -1 or 0 to {classes - 1}")
    return np.full(n, label)


def write(path: Path, samples: Array) -> None:
    """Write samples as a picture or as the array ``images`` (N, H, W, C) or ``points``."""
    if path.suffix == ".npz":
        buffer = io.BytesIO()
        if samples.ndim == 4:
            np.savez_compressed(buffer, images=samples.transpose(0, 2, 3, 1))
        else:
            np.savez_compressed(buffer, points=samples)
        write_atomic(path, [buffer.getvalue()])
    else:
        save_samples(path, samples, 1.25 * float(np.abs(samples).max()))
