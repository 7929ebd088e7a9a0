"""``tinygan export RUN``: a run's generator as safetensors with its configuration, and a grid.

With ``--per-class N`` also a folder of images for each class, to train a classifier on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from .. import __version__
from ..runs.files import save_tensors, write_json
from ..runs.grids import save_png
from ..runs.pictures import count, save_samples
from .arguments import parse
from .exits import OK, UsageError
from .opening import Trained, open_trained


@dataclass(frozen=True)
class Options:
    """Which run, where to.

    Attributes:
        run: the run's folder, or the start of its name: runs/00000.
        out: folder to write to; by default export in the run's folder.
        per_class: images of each class to write besides, one PNG file each in a folder for each
            class, as `--data FOLDER` takes them; recipes that are given labels only.
        seed: of those images.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    out: str = ""
    per_class: int = 0
    seed: int = 0


def run(args: list[str]) -> int:
    """Run the verb: write ``G.safetensors``, ``G_ema.safetensors``, ``config.json``, a grid."""
    options = parse("tinygan export", Options, args)
    trained = open_trained(options.run)
    if options.per_class:
        check_classes(trained, options.per_class)
    out = Path(options.out or trained.run.path / "export")
    out.mkdir(parents=True, exist_ok=True)
    game, ema = trained.game, trained.game.ema
    facts = {"recipe": trained.recipe.name, "step": str(game.step), "tinygan": __version__}
    written = ["G.safetensors", "config.json", "samples.png"]
    sums = {"G": save_tensors(out / "G.safetensors", game.G.state_dict(), facts)}
    if ema is not None:
        sums["G_ema"] = save_tensors(out / "G_ema.safetensors", ema.state_dict(), facts)
        written.insert(1, "G_ema.safetensors")
    config = {**facts, "step": game.step, "nz": game.nz, "shape": list(trained.shape)}
    write_json(out / "config.json", {**config, "config": asdict(game.config), "sha256": sums})
    samples = trained(trained.inputs(count(trained.shape), 0))
    save_samples(out / "samples.png", samples, 1.25 * float(np.abs(samples).max()))
    if options.per_class:
        save_classes(out / "classes", trained, options.per_class, options.seed)
        written.append(f"classes/ with {options.per_class} images each")
    print(f"{out}: {', '.join(written)}")
    return OK


def check_classes(trained: Trained, per_class: int) -> None:
    """Raise ``UsageError`` unless a run can write images of each class."""
    if per_class < 0 or not trained.classes or len(trained.shape) != 3:
        raise UsageError(
            f"--per-class {per_class}: 1 or more, of a recipe that makes images of given classes, "
            f"fit; {trained.recipe.name} made {trained.shape}"
        )


def save_classes(folder: Path, trained: Trained, per_class: int, seed: int) -> None:
    """Write as many images of each class, ``folder/CLASS/NUMBER.png``; raises ``SaveError``."""
    classes = trained.classes
    labels = np.repeat(np.arange(classes), per_class)
    images = trained(trained.latent(len(labels), seed), labels)
    width = len(str(classes - 1))  # so that the names sort as the numbers do
    for i, (label, image) in enumerate(zip(labels, images, strict=True)):
        place = folder / f"{label:0{width}}"
        place.mkdir(parents=True, exist_ok=True)
        save_png(place / f"{i % per_class:05}.png", (image + 1.0) / 2.0)
