"""``tinygan train RECIPE``: train a recipe on a data set."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..gan import Recipe
from ..recipes import RECIPES, get
from ..runs.setup import Settings
from ..runs.train import train
from .arguments import parse_both
from .exits import OK, UsageError
from .watch import watch


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to train on, for how long, where.

    Attributes:
        data: digits, digits:32, fashion-mnist, ring, grid, swiss_roll, moons, or a path: IDX
            files, an .npz, CIFAR's batches, a folder or zip of images, parquet; stacked:digits
            puts three of its images into the channels of one. inverted:X, coloured:X. Recipes
            that translate take pairs:FOLDER (folders A and B, or images side by side), pairs:A,B,
            unpaired:A,B, or edges:X (outlines and what they are of). For games of several
            domains half-inverted:X, half-edges:X, painted:X, slanted:X; for text_to_image
            captioned:X, for video moving:X, of grey digits or a path.
        preset: settings of the recipe by name, paper for those at full size, where it has some;
            single flags win.
        steps: number of steps.
        seed: determines every random number of the run.
        size: side in pixels that images are resized to; by default their own.
        channels: 1 (grey) or 3 (RGB); by default the data's own.
        crop: side in pixels of the random parts that are taken of larger images, of any sizes; in
            place of --size. By default whole images.
        mirror: of --crop: mirror the parts at random.
        value_range: of float images in an .npz: 0,1 or -1,1 or 0,255.
        background: colour behind transparent pixels: white, #rrggbb; by default such images are
            refused.
        outdir: folder that gets the numbered run folder.
        desc: text to put behind the run folder's name.
        device: auto, cpu or cuda.
        backend: use these kernels alone, e.g. cpp or numba,numpy; by default the best that fit.
        snap: steps between sample grids, and between checkpoints; 0 makes 20 in all.
        metrics_every: steps between measurements of the samples, which also keep the best
            checkpoint; 0 measures nothing.
        metrics: what to measure, e.g. fd,kid,prdc; by default the usual ones that suit the data
            (`tinygan metrics --help` lists all).
        metrics_n: samples to measure, and real ones at most.
        net: feature net of the metrics: auto, digits_lenet, mnist_lenet, fashion_lenet, inception.
        weights: file of Inception's weights.
        loss: loss in place of the recipe's own: minimax, nonsaturating, least_squares,
            wasserstein, hinge, relativistic, relativistic_ls, relativistic_hinge, fgan_kl,
            fgan_reverse_kl, fgan_pearson, fgan_hellinger, fgan_js, cramer.
        reg: regularisers, NAME:WEIGHT/INTERVAL with commas between, e.g. r1:10/16,noise:0.1: clip,
            gp, r1, r2, dragan, lecam, ortho, noise, adv, smooth, grad_norm, decay, sn, dropout.
        ttur: D's learning rate over G's, e.g. 4; 0 leaves the recipe's own.
        pool: let D judge old fakes too, from a pool of so many, e.g. 50.
        pretrain_d: steps at the start in which D moves alone.
        augment: let D judge augmented images alone: diff, or some of it as in
            diff:color,translation,cutout; or ada:TARGET/KIMG, by default ada:0.6/500, whose
            strength follows how far D overfits.
        curriculum: begin on blurred images, blur:SIGMA/STEPS: blur:2/2000 falls from 2 pixels to 0
            over 2000 steps.
        diagnose_every: steps between looks at gradients, updates and weights, from which alarms
            are raised; 0 never looks.
        init: start from trained players: a run, one of its checkpoints/step-NNNNNN, or the
            safetensors of a generator.
        freeze_d: weighted layers of D, from its input on, that stay as --init has them (FreezeD).
    """

    data: str = "digits"
    preset: str = ""
    steps: int = 10_000
    seed: int = 0
    size: int | None = None
    channels: int | None = None
    crop: int | None = None
    mirror: bool = True
    value_range: str = ""
    background: str = ""
    outdir: str = "runs"
    desc: str = ""
    device: str = "auto"
    backend: str = ""
    snap: int = 0
    metrics_every: int = 0
    metrics: str = ""
    metrics_n: int = 2048
    net: str = "auto"
    weights: str = ""
    loss: str = ""
    reg: str = ""
    ttur: float = 0.0
    pool: int = 0
    pretrain_d: int = 0
    augment: str = ""
    curriculum: str = ""
    diagnose_every: int = 50
    init: str = ""
    freeze_d: int = 0


def run(args: list[str]) -> int:
    """Run the verb."""
    if not args or args[0] in ("-h", "--help"):
        print("usage: tinygan train RECIPE [flags]\n")
        print(f"recipes: {' '.join(RECIPES)}")
        print("`tinygan train RECIPE --help` has the flags of a recipe.")
        return OK if args else _missing()
    recipe, rest = _chosen(args)
    start = preset(recipe, rest)
    about = f"{recipe.summary} Presets: {' '.join(recipe.presets) or 'none'}."
    options, config = parse_both(f"tinygan train {recipe.name}", Options, start, rest, about)
    folder = Path(options.outdir).expanduser()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--outdir {options.outdir}: it is a file, a folder fits")
    shared = {f.name: getattr(options, f.name) for f in fields(Settings)}
    return watch(train(recipe, Settings(**shared), config, outdir=folder, desc=options.desc))


def preset(recipe: Recipe, args: list[str]) -> Any:
    """Return the settings that single flags change: the recipe's own, or those of ``--preset``.

    Raises:
        UsageError: the recipe has none of that name.
    """
    name = ""
    for arg, after in itertools.pairwise([*args, ""]):
        flag, equals, value = arg.partition("=")
        if flag == "--preset":
            name = value if equals else after
    if name and name not in recipe.presets:
        known = f"use {' '.join(recipe.presets)}" if recipe.presets else "it has none"
        raise UsageError(f"--preset {name}: no preset of {recipe.name}: {known}")
    return recipe.presets[name] if name else recipe.config()


def _missing() -> int:
    raise UsageError("train: a recipe is missing; `tinygan recipes` lists them")


def _chosen(args: list[str]) -> tuple[Recipe, list[str]]:
    """Find the recipe among the arguments: the first one, or the first that names one."""
    place = 0
    if args[0].startswith("-"):
        place = next((i for i, arg in enumerate(args) if arg in RECIPES), -1)
    if place < 0:
        raise UsageError("train: a recipe is missing; `tinygan recipes` lists them")
    return get(args[place]), args[:place] + args[place + 1 :]
