"""``tinygan export RUN``: a run's generator as safetensors with its configuration, and a grid."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from .. import __version__
from ..runs.files import save_tensors, write_json
from ..runs.pictures import count, save_samples
from .arguments import parse
from .exits import OK
from .opening import open_trained


@dataclass(frozen=True)
class Options:
    """Which run, where to.

    Attributes:
        run: the run's folder, or the start of its name: runs/00000.
        out: folder to write to; by default export in the run's folder.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    out: str = ""


def run(args: list[str]) -> int:
    """Run the verb: write ``G.safetensors``, ``G_ema.safetensors``, ``config.json``, a grid."""
    options = parse("tinygan export", Options, args)
    trained = open_trained(options.run)
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
    samples = trained(trained.latent(count(trained.shape), 0))
    save_samples(out / "samples.png", samples, 1.25 * float(np.abs(samples).max()))
    print(f"{out}: {', '.join(written)}")
    return OK
