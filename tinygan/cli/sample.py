"""``tinygan sample RUN``: make a grid of samples, or an array of them.

``tinygan sample RUN RUN --mix 2,1`` mixes runs: each sample is of one of them, drawn by weight.
Where G takes images, the grid shows rows of translations, and ``--input`` translates files.
``--psi`` truncates the styles of a run that has some, ``--mix-styles 4`` crosses two sets of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from ..data.captions import parse as parse_caption
from ..errors import OptionError
from ..gan.mixture import choose
from ..gan.networks import CaptionGenerator
from ..kernels.arrays import Array
from ..random import Stream
from ..runs.files import write_npz
from ..runs.grids import make_grid, save_png
from ..runs.pictures import save_samples
from .arguments import parse
from .exits import OK, UsageError
from .opening import Trained, open_trained
from .styles import crossing, style_net, truncated
from .translate import between, reversed_run, save_translations, translate_files


@dataclass(frozen=True)
class Options:
    """Which run, how many samples, where to.

    Attributes:
        run: the run's folder, or the start of its name: runs/00000. Of several runs each sample
            is made by one, drawn at random.
        n: number of samples.
        seed: another seed gives other samples.
        label: number of the class to make, from 0; -1: one class after the other. Recipes that
            are given labels only, and infogan's categories; with --input the domain, of stargan.
        text: caption of what to make, e.g. "two red sevens", of a run of text_to_image.
        mix: weights of several runs with commas between, 2,1: how often each is drawn; by
            default all alike.
        truncation: bound of every entry of z, above 0: less makes samples better and more alike.
        psi: of runs with styles: how far styles lie from their mean; 1: as they are, less makes
            samples better and more alike, 0 makes the mean image alone.
        mix_styles: of one run with styles: number of a layer, from 1. A sheet of n samples or a few
            less: each row's styles before that layer (the coarse ones) with each column's from it
            on; the first row and column show whose they are.
        input: an image file or a folder of them to translate, of a run whose G takes images; they
            may have any size that fits the net. The results go to the folder --out.
        back: translate from B to A, of a run that learned both ways.
        alpha: of a run of srgan or esrgan: 0 takes the network that was trained on pixels, 1 the
            one that was trained as a GAN after it, 0.8 a mean of their weights.
        ema: use the averaged weights, where there are some.
        out: a .png for a grid (a plot, if the samples are points), an .npz for the numbers, with
            their labels; by default samples-seedN.png in the (first) run's folder.
    """

    run: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]")]
    n: int = 64
    seed: int = 0
    label: int = -1
    text: str = ""
    mix: str = ""
    truncation: float | None = None
    psi: float = 1.0
    mix_styles: int = 0
    input: str = ""
    back: bool = False
    alpha: float | None = None
    ema: bool = True
    out: str = ""


def run(args: list[str]) -> int:
    """Run the verb."""
    options = parse("tinygan sample", Options, args)
    if options.n < 1:
        raise UsageError(f"--n {options.n}: use 1 or more")
    if options.out and not options.input and Path(options.out).suffix not in (".png", ".npz"):
        raise UsageError(f"--out {options.out}: the ending .png or .npz fits")
    if not options.run:
        raise UsageError("sample: RUN is missing; see tinygan sample --help")
    trained = [open_trained(run, ema=options.ema) for run in options.run]
    if options.alpha is not None:
        trained = [between(run, options.alpha) for run in trained]
    if options.text:
        options = replace(options, label=caption_of(trained, options))
    if options.input or options.back:
        trained = [images_of(trained, options)]
    which = mixed(trained, options)
    out = Path(options.out or trained[0].run.path / f"samples-seed{options.seed}.png")
    if options.mix_styles:
        return cross_styles(trained, options, out)
    if options.psi != 1.0:
        for one in trained:
            style_net(one, f"--psi {options.psi:g}")
    if len(trained) == 1 and translated(trained[0], options, out):
        return OK
    write(out, *samples_of(trained, which, options))
    steps = ", ".join(str(one.game.step) for one in trained)
    print(f"{options.n} samples of step {steps}: {out}")
    return OK


def samples_of(
    trained: list[Trained], which: Array, options: Options
) -> tuple[Array, Array | None]:
    """Let each run make its samples; return all of them, and their labels where there are classes.

    Args:
        trained: the runs.
        which: number of the run that makes each sample.
        options: what is asked for.

    Raises:
        UsageError: a flag speaks of classes that a run has none of.
    """
    n, labels = options.n, np.zeros(options.n, np.int64)
    samples = np.empty((n, *trained[0].sample_shape), np.float32)
    for k, one in enumerate(trained):
        given = one.labels(n) if options.label == -1 else only(one, options.label, n)
        own = which == k
        if not own.any():
            continue
        if given is not None:
            given = labels[own] = given[own]
        z = one.inputs(n, options.seed, options.truncation)[own]
        samples[own] = one(z, given) if options.psi == 1.0 else truncated(one, z, options.psi)
    return samples, labels if trained[0].classes else None


def cross_styles(trained: list[Trained], options: Options, out: Path) -> int:
    """Write the sheet of ``--mix-styles``; raises ``UsageError`` or ``SaveError``."""
    layer = options.mix_styles
    if len(trained) > 1 or out.suffix != ".png" or options.truncation is not None:
        raise UsageError(f"--mix-styles {layer}: one run and a .png, without --truncation, fit")
    sheet = crossing(trained[0], n=options.n, layer=layer, seed=options.seed, psi=options.psi)
    side = math.isqrt(len(sheet))
    save_png(out, make_grid(sheet, nrow=side))
    print(f"{side - 1} rows' styles before layer {layer}, {side - 1} columns' from it on: {out}")
    return OK


def caption_of(trained: list[Trained], options: Options) -> int:
    """Return the label that the caption asked for has; raises ``UsageError``."""
    for one in trained:
        if not isinstance(one.net, CaptionGenerator):
            raise UsageError(f"--text: {one.recipe.name} reads no captions; text_to_image does")
    if options.label != -1:
        raise UsageError("--text and --label: one of them fits")
    try:
        return parse_caption(options.text)
    except OptionError as error:
        raise UsageError(f"--text: {error}") from None


def translated(trained: Trained, options: Options, out: Path) -> bool:
    """Write what a run whose G takes images shows; tell whether there was anything to write.

    Raises:
        UsageError: a flag speaks of z, or of a domain that there is none of.
    """
    if trained.game.translation is None:
        return False
    if options.truncation is not None:
        raise UsageError(f"--truncation: {trained.recipe.name}'s G takes images, no z")
    asked = options.label != -1 or (trained.classes and options.input)
    domain = only(trained, options.label, 1) if asked else None
    step = trained.game.step
    if options.input:
        folder = Path(options.out or trained.run.path / "translated")
        files = translate_files(trained, options.input, folder, domain)
        print(f"{len(files)} images translated at step {step}: {folder}")
    elif out.suffix == ".png":
        save_translations(out, trained, options.n, options.seed)
        print(f"{options.n} translations of step {step}: {out}")
    return bool(options.input) or out.suffix == ".png"


def images_of(trained: list[Trained], options: Options) -> Trained:
    """Return the run whose G takes images, the way that is asked for; raises ``UsageError``."""
    first, flag = trained[0], "--input" if options.input else "--back"
    if len(trained) > 1 or first.game.translation is None:
        raise UsageError(f"{flag}: one run whose G takes images fits, as those of pix2pix")
    return reversed_run(first) if options.back else first


def mixed(trained: list[Trained], options: Options) -> Array:
    """Return which of the runs makes each sample; raises ``UsageError``. Shapes: -> (n,)."""
    for run, one in zip(options.run, trained, strict=True):
        if one.shape != trained[0].shape or one.classes != trained[0].classes:
            raise UsageError(
                f"{run}: samples of {one.shape}, and {options.run[0]} of {trained[0].shape}: runs "
                "of one shape, with as many classes or none, mix"
            )
    try:
        weights = (
            [float(w) for w in options.mix.split(",")] if options.mix else [1.0] * len(trained)
        )
    except ValueError:
        weights = []
    if len(weights) != len(trained):
        raise UsageError(f"--mix {options.mix}: {len(trained)} numbers with commas between fit")
    return choose(options.n, weights, Stream(options.seed, "mixture"))


def only(trained: Trained, label: int, n: int) -> Array:
    """Return n times the label that was asked for; raises ``UsageError``."""
    if not trained.classes:
        raise UsageError(f"--label {label}: {trained.recipe.name} knows no classes")
    if not 0 <= label < trained.classes:
        raise UsageError(f"--label {label}: use -1 or 0 to {trained.classes - 1}")
    return np.full(n, label)


def write(path: Path, samples: Array, labels: Array | None) -> None:
    """Write a picture, or the arrays ``images`` (N, H, W, C) or ``points``, and ``labels``."""
    if path.suffix == ".npz":
        images = samples.ndim == 4
        nhwc = samples.transpose(0, 2, 3, 1) if images else samples
        arrays: dict[str, Any] = {"images" if images else "points": nhwc}
        arrays |= {} if labels is None else {"labels": labels}
        write_npz(path, arrays)
    else:
        save_samples(path, samples, 1.25 * float(np.abs(samples).max()))
