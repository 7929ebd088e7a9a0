"""``tinygan interpolate RUN``: walk from sample to sample in latent space, or along its axes.

z is drawn from N(0, I), whose mass lies near a sphere, so a walk goes along a great circle (White,
arXiv:1609.04468); a straight line (``--straight``) cuts through a region that G never saw.

``--traverse 3,7`` keeps one z and moves one number of it at a time instead, from -2 to 2: a row
shows what that dimension does, if anything (the traversals of arXiv:1606.03657, figure 2).

``--sefa 5`` walks in W instead, of runs with styles: along the five directions that change styles
most, which follow from the weights alone (arXiv:2007.06600; ``gan/styles.py``).
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
from ..runs.pictures import is_film, save_samples
from .arguments import parse
from .exits import OK, UsageError
from .opening import Trained, open_trained
from .sample import only
from .styles import traversals

REACH = 2.0  # standard deviations of z that a traversal goes to either side


@dataclass(frozen=True)
class Options:
    """Which run, how many walks, how fine.

    Attributes:
        run: the run's folder, or the start of its name: runs/00000.
        rows: number of walks, one a row.
        frames: samples a walk, both ends included.
        straight: walk along straight lines; by default along great circles.
        traverse: numbers of latent dimensions, from 0, with commas between: in place of walks, a
            row for each in which it alone goes from -2 to 2.
        sefa: of runs with styles: in place of walks, a row for each of so many directions of W that
            change the layers' styles most.
        layers: numbers of the styles that --sefa moves: 0-3 or 2; by default all.
        reach: how far --sefa goes to either side, in standard deviations of w.
        label: number of the class to make, from 0; -1: one class after the other (a traversal:
            class 0). Recipes that are given labels only.
        seed: another seed walks elsewhere.
        ema: use the averaged weights, where there are some.
        out: the .png to write; by default interpolation-seedN.png, traversal-seedN.png or
            sefa-seedN.png, in the run's folder.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    rows: int = 8
    frames: int = 10
    straight: bool = False
    traverse: str = ""
    sefa: int = 0
    layers: str = ""
    reach: float = 3.0
    label: int = -1
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
    if trained.game.translation is not None:
        raise UsageError(
            f"interpolate: {trained.recipe.name}'s G takes images, there is no z to walk in; "
            "tinygan sample translates"
        )
    name = "sefa" if options.sefa else "traversal" if options.traverse else "interpolation"
    out = Path(options.out or trained.run.path / f"{name}-seed{options.seed}.png")
    if options.sefa:
        return walk_styles(trained, options, out)
    if options.traverse:
        dims = dimensions(options.traverse, trained.game.nz)
        z = traversal(trained.latent(1, options.seed)[0], dims, options.frames)
        what = f"{len(dims)} dimensions in {options.frames} samples each"
    else:
        ends = trained.latent(2 * options.rows, options.seed)
        z = walk(ends[::2], ends[1::2], options.frames, straight=options.straight)
        what = f"{options.rows} walks of {options.frames} samples"
    samples = trained(z, labels_of(trained, options, len(z)))
    if samples.ndim == 4 and not is_film(samples.shape[1:]):
        save_png(out, make_grid(samples, nrow=options.frames))
    else:
        save_samples(out, samples, 1.25 * float(np.abs(samples).max()))
    print(f"{what}: {out}")
    return OK


def walk_styles(trained: Trained, options: Options, out: Path) -> int:
    """Write the sheet of ``--sefa``; raises ``UsageError`` or ``SaveError``."""
    count = options.sefa
    if options.traverse or options.straight:
        raise UsageError(f"--sefa {count}: it walks in W, without --traverse and --straight")
    sheet = traversals(
        trained,
        count=count,
        frames=options.frames,
        reach=options.reach,
        layers=options.layers,
        seed=options.seed,
    )
    save_png(out, make_grid(sheet, nrow=options.frames))
    print(f"{count} directions of W in {options.frames} samples each: {out}")
    return OK


def walk(a: Array, b: Array, frames: int, *, straight: bool = False) -> Array:
    """Go from each a to its b, along a great circle unless ``straight``.

    Shapes: a and b (n, d) -> (n * frames, d).
    """
    t = np.tile(np.linspace(0.0, 1.0, frames), len(a))
    a, b = a.repeat(frames, axis=0), b.repeat(frames, axis=0)
    way: Array = a + t[:, None] * (b - a) if straight else slerp(a, b, t)
    return way.astype(a.dtype)


def traversal(z: Array, dims: list[int], frames: int) -> Array:
    """Let one number of z at a time go from -2 to 2. Shapes: z (d,) -> (len(dims) * frames, d)."""
    rows = np.tile(z, (len(dims), frames, 1))
    for row, dim in zip(rows, dims, strict=True):
        row[:, dim] = np.linspace(-REACH, REACH, frames)
    return rows.reshape(-1, len(z))


def dimensions(text: str, nz: int) -> list[int]:
    """Read numbers of dimensions, ``"3,7"``.

    Raises:
        UsageError: one is no number from 0 to nz - 1.
    """
    parts = [part.strip() for part in text.split(",")]
    dims = [int(part) for part in parts if part.isascii() and part.isdigit()]
    if len(dims) < len(parts) or max(dims) >= nz:
        raise UsageError(f"--traverse {text}: numbers from 0 to {nz - 1} fit, commas between")
    return dims


def labels_of(trained: Trained, options: Options, n: int) -> Array | None:
    """Return a class for each of n samples, one for all samples of a row; None without classes.

    Raises:
        UsageError: ``--label`` does not fit.
    """
    if options.label != -1:
        return only(trained, options.label, n)
    rows = trained.labels(n // options.frames)
    if rows is None:
        return None
    return np.zeros_like(rows, shape=n) if options.traverse else rows.repeat(options.frames)
