"""Find a run and its generator again: what the verbs on a finished run share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import nn
from ..autograd import Tensor, no_grad
from ..errors import CheckpointError, OptionError
from ..gan import Game, Recipe
from ..gan.game import draw_latent, evaluating
from ..kernels.arrays import Array, Shape
from ..random import Stream
from ..recipes import get
from ..runs.device import computing
from ..runs.rundir import RunDirectory
from ..runs.setup import load_game, read_settings, recipe_name

BATCH = 256


def open_run(path: str) -> tuple[RunDirectory, Recipe]:
    """Find a run and its recipe.

    Raises:
        CheckpointError: there is no such run, or its configuration is damaged.
    """
    run = RunDirectory.open(path)
    try:
        return run, get(recipe_name(run))
    except OptionError as error:
        raise CheckpointError(f"{run.path / 'config.json'}: {error}") from None


@dataclass(frozen=True)
class Trained:
    """A generator that has been loaded.

    Attributes:
        run: its run.
        recipe: what made it.
        game: the game at the checkpoint.
        shape: of one sample.
        data_name: short name of the data that it was trained on.
        backend: kernels to use, as the run was told.
        ema: use the averaged weights, where there are some.
    """

    run: RunDirectory
    recipe: Recipe
    game: Game
    shape: Shape
    data_name: str
    backend: str
    ema: bool = True

    @property
    def net(self) -> nn.Module:
        """The generator."""
        return self.game.ema.module if self.ema and self.game.ema is not None else self.game.G

    def latent(self, n: int, seed: int, truncation: float | None = None) -> Array:
        """Draw z, within a bound if there is one; see ``Game.sample``. Shapes: -> (n, nz)."""
        return draw_latent(Stream(seed, "sample"), (n, self.game.nz), truncation)

    def __call__(self, z: Array, labels: Array | None = None) -> Array:
        """Make samples, of given classes if ``labels`` says so (conditional recipes only).

        Shapes: z (n, nz), labels (n,) -> (n, C, H, W) or (n, 2), NumPy.
        """
        given = [z] if labels is None else [z, labels]
        with computing(self.backend), no_grad(), evaluating(self.net) as net:
            parts = []
            for i in range(0, len(z), BATCH):
                part, *classes = (a[i : i + BATCH] for a in given)
                parts.append(net(Tensor(part), *classes).numpy())
        return np.concatenate(parts)

    @property
    def classes(self) -> int:
        """How many classes the generator can be asked for; 0 where it takes none."""
        return getattr(self.net, "num_classes", 0)

    def labels(self, n: int) -> Array | None:
        """Return one class after the other, or None where G takes none. Shapes: -> (n,)."""
        return np.arange(n) % self.classes if self.classes else None


def open_trained(path: str, *, ema: bool = True, step: int | None = None) -> Trained:
    """Load the generator of a run's last whole checkpoint, and say so if it isn't the last.

    Args:
        path: the run's folder, or the start of its name.
        ema: take the averaged weights, where there are some.
        step: of another checkpoint, which has been kept.

    Raises:
        CheckpointError: there is none.
    """
    run, recipe = open_run(path)
    settings, _, shape = read_settings(run, recipe)
    game, notice = load_game(run, recipe, step=step)
    if notice:
        print(notice)
    data_name = Path(settings.data.partition(":")[0]).stem
    return Trained(run, recipe, game, shape, data_name, settings.backend, ema)
