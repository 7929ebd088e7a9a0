"""Find a run and its generator again: what the verbs on a finished run share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import nn
from ..autograd import Tensor, no_grad
from ..data.catalog import short_name
from ..errors import CheckpointError, OptionError
from ..gan import Game, Recipe
from ..gan.game import draw_latent, evaluating
from ..gan.translation import BATCH as BATCH_OF_IMAGES
from ..kernels.arrays import Array, Shape
from ..random import Stream, Streams, using
from ..recipes import get
from ..runs.device import computing
from ..runs.rundir import RunDirectory
from ..runs.setup import Settings, load_data, load_game, read_settings, recipe_name

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
        settings: what the run was told.
        ema: use the averaged weights, where there are some.
    """

    run: RunDirectory
    recipe: Recipe
    game: Game
    shape: Shape
    settings: Settings
    ema: bool = True

    @property
    def data_name(self) -> str:
        """Short name of the data that it was trained on; of two domains that of B."""
        return short_name(self.settings.data)

    @property
    def backend(self) -> str:
        """Kernels to use, as the run was told."""
        return self.settings.backend

    @property
    def net(self) -> nn.Module:
        """The generator."""
        return self.game.generator(ema=self.ema)

    def latent(self, n: int, seed: int, truncation: float | None = None) -> Array:
        """Draw z, within a bound if there is one; see ``Game.sample``. Shapes: -> (n, nz)."""
        return draw_latent(Stream(seed, "sample"), (n, self.game.nz), truncation)

    def load_dataset(self) -> None:
        """Let the game have its data, where its G takes images; raises ``DataError``."""
        if self.game.translation is not None and self.game.dataset is None:
            self.game.dataset = load_data(self.settings)

    def inputs(self, n: int, seed: int, truncation: float | None = None) -> Array:
        """Draw what G takes: z, or images of the data. Shapes: -> (n, nz) or (n, C, H, W).

        Raises:
            OptionError: the truncation is not above 0, or G takes images.
            DataError: the data can't be read any more.
        """
        if self.game.translation is None:
            return self.latent(n, seed, truncation)
        if truncation is not None:
            raise OptionError(f"--truncation bounds z, and {self.recipe.name}'s G takes images")
        self.load_dataset()
        source: Array = self.game.translation.source(self.game.draw(n, seed=seed))
        return source

    @property
    def source_shape(self) -> Shape:
        """Shape of one input of a G that takes images."""
        return self._cut("source")

    @property
    def sample_shape(self) -> Shape:
        """Shape of what G makes."""
        return self.shape if self.game.translation is None else self._cut("target")

    def _cut(self, what: str) -> Shape:
        blank = np.broadcast_to(np.float32(0), (1, *self.shape))
        return tuple(getattr(self.game.translation, what)(blank).shape[1:])

    def __call__(self, z: Array, labels: Array | None = None) -> Array:
        """Make samples, of given classes if ``labels`` says so (conditional recipes only).

        Shapes: z (n, nz) or images, labels (n,) -> (n, C, H, W) or (n, 2), NumPy.
        """
        given = [z] if labels is None else [z, labels]
        batch = BATCH if self.game.translation is None else BATCH_OF_IMAGES
        noise = using(Streams(self.game.streams.seed))  # that a net draws by itself
        with computing(self.backend), no_grad(), evaluating(self.net) as net, noise:
            parts = []
            for i in range(0, len(z), batch):
                part, *classes = (a[i : i + batch] for a in given)
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
    return Trained(run, recipe, game, shape, settings, ema)
