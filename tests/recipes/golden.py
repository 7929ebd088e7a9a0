"""Golden curves: the losses of 20 steps of each recipe in float64, on the NumPy references.

    python tests/recipes/golden.py [RECIPE ...]      # measures again, and writes golden.json

A curve depends on every line of a recipe, of its networks and its optimizers. In float64 what is
left to chance is rounding: sums in another order. Each curve is stored with its *spread*: by how
much it moves where every weight is multiplied by 1 + 2^-52 n, n from -4 to 4, three times over, and
2^-52 of its largest loss at least. The test allows 100 times the spread; a rate that is off by a
millionth moves a curve by more.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np

from tinygan import data, kernels, nn, random
from tinygan.autograd import Tensor
from tinygan.gan import Source, advance, new_game
from tinygan.gan.snapshot import named_tensors
from tinygan.recipes import RECIPES, get
from tinygan.runs.setup import with_data

STEPS, EPS, TRIALS = 20, 2.0**-52, 3
PATH = Path(__file__).with_name("golden.json")


class _Wide(random.Stream):
    """The numbers of a stream of float32, as float64."""

    def uniform(self, shape, low=0.0, high=1.0, dtype=np.float32):
        return super().uniform(shape, low, high, np.float32).astype(np.float64)

    def normal(self, shape, dtype=np.float32, mean=0.0, std=1.0):
        return super().normal(shape, np.float32, mean, std).astype(np.float64)


class _WideStreams(random.Streams):
    def stream(self, name):
        if name not in self._streams:
            self._streams[name] = _Wide(self.seed, name, self.step, self.xp)
        return self._streams[name]


@contextmanager
def _wide_layers() -> Iterator[None]:
    """Let parameters and buffers be of float64 where float32 was asked for."""

    def _wide(tensor, data, requires_grad):
        array = Tensor(data).data
        dtype = np.float64 if array.dtype == np.float32 else array.dtype
        with np.errstate(invalid="ignore"):  # it may not be filled yet
            Tensor.__init__(tensor, array.astype(dtype), requires_grad)

    with (
        mock.patch.object(nn.Parameter, "__init__", lambda t, d, r=True: _wide(t, d, r)),
        mock.patch.object(nn.Buffer, "__init__", lambda t, d: _wide(t, d, False)),
    ):
        yield


def _widened(batch):
    if isinstance(batch, tuple):
        return (batch[0].astype(np.float64), *batch[1:])
    return batch.astype(np.float64)


def curve(name: str, trial: int = 0, **changes: float) -> np.ndarray:
    """Train with the settings of ``small_recipes.SMALL``. Shapes: -> (STEPS, 2): loss_d, loss_g.

    Args:
        name: of the recipe.
        trial: 0 trains from the weights as they are; others from weights moved by rounding.
        changes: of the settings.
    """
    from small_recipes import ON, SMALL  # of tests/, which a script has to add to its path

    recipe, dataset = get(name), data.load(ON[name])
    config = with_data(recipe, recipe.config(**SMALL[name] | changes), dataset)
    served = data.Batches(dataset, config.batch, seed=11)
    source = Source(map(_widened, served.with_labels() if recipe.labelled else served))
    chance = np.random.default_rng(trial)
    with kernels.use_backend("numpy"):
        with _wide_layers():
            game = new_game(recipe, dataset.shape, config=config, seed=3)
        game.streams = _WideStreams(3)
        for tensor in named_tensors(game).values():
            if trial and tensor.dtype == np.float64:
                near = EPS * chance.integers(-4, 5, tensor.shape)
                tensor.assign_(tensor.data * (1.0 + near))
        losses = []
        for _ in range(STEPS):
            advance(recipe, game, source)
            losses.append([game.metrics["loss_d"], game.metrics["loss_g"]])
    return np.array(losses)


def main(names: list[str]) -> None:
    """Measure and write."""
    known = json.loads(PATH.read_text()) if PATH.exists() else {}
    for name in names or RECIPES:
        losses = curve(name)
        moved = max(float(abs(curve(name, k + 1) - losses).max()) for k in range(TRIALS))
        spread = max(moved, EPS * float(abs(losses).max()))
        known[name] = {"spread": spread, "losses": losses.tolist()}
        sys.stdout.write(f"{name:16} {spread:.2g}\n")
    lines = [f"{json.dumps(k)}: {json.dumps(known[k])}" for k in RECIPES if k in known]
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main(sys.argv[1:])
