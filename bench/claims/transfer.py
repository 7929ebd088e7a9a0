"""Little data after much: what fine-tuning, and fine-tuning with D's first layers frozen, gain.

A DCGAN learns the digits 0 to 4 at 16 pixels; then a hundred images of the digits 5 to 9 are all
there is. Frechet distances are to the other images of 5 to 9, in the features of ``digits_lenet``
(not FID), of 2,000 samples of the averaged generator, after so many steps and never the best of
several. All players have the same networks and settings; the ones that start from scratch have as
many steps on the hundred images as the others.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from common import Claim, Row, main

from tinygan import data
from tinygan.data import Dataset
from tinygan.gan import Game, fit, new_game, start_from, with_frozen
from tinygan.kernels.arrays import Array
from tinygan.metrics.fid import frechet_distance_of_features
from tinygan.metrics.house_nets import house_net
from tinygan.random import Stream
from tinygan.recipes import get

SETTINGS = {
    "batch": 32, "lr": 5e-4, "nz": 24, "ngf": 24, "ndf": 24, "noise": 0.1, "half_life_kimg": 5.0,
}  # fmt: skip
PRETRAINING, TUNING = 3000, (250, 500, 1000, 2000)  # steps
FEW, SAMPLES = 100, 2000


def parts(seed: int) -> tuple[Dataset, Dataset, Dataset]:
    """Return the digits 0 to 4, a hundred of the digits 5 to 9, and the rest of those."""
    digits = data.load("digits:16")
    assert digits.labels is not None
    order = Stream(seed, "few").permutation(len(digits))
    high = order[digits.labels[order] >= 5]
    low = np.flatnonzero(digits.labels < 5)
    return tuple(replace(digits, stored=digits.stored[i], labels=digits.labels[i])
                 for i in (low, high[:FEW], high[FEW:]))  # fmt: skip


def train(images: Dataset, steps: tuple[int, ...], held_out: Dataset | None, seed: int,
          start: dict[str, Array] | None = None, frozen: int = 0) -> tuple[Game, Row]:  # fmt: skip
    """Train a DCGAN; return it and its distances after some steps."""
    recipe = with_frozen(get("dcgan"), frozen)
    config = recipe.config(**SETTINGS)
    game = new_game(recipe, images.shape, seed=seed, config=config)
    if start is not None:
        start_from(game, start)
    batches = data.Batches(images, config.batch, seed=seed)
    found = {}
    for game in fit(  # noqa: B020 - the game goes on
        recipe, batches, steps=steps[-1], seed=seed, config=config, resume=game.state()
    ):
        if held_out is not None and game.step in steps:
            net = house_net("digits_lenet")
            real, fake = (net.embed(x).features for x in (held_out.arrays, game.sample(SAMPLES)))
            found[f"at_{game.step}"] = round(frechet_distance_of_features(real, fake), 3)
    return game, found


@cache
def pretrained(seed: int) -> dict[str, Array]:
    """Return the players that know the digits 0 to 4."""
    return train(parts(seed)[0], (PRETRAINING,), None, seed)[0].state()[0]


def compared(seed: int, one: dict[str, int | None], other: dict[str, int | None], at: int) -> Row:
    """Train two ways on the hundred images; return the ratio of their distances after a step."""
    _, few, held_out = parts(seed)
    rows: dict[str, Row] = {}
    for name, frozen in (one | other).items():
        start = None if frozen is None else pretrained(seed)
        rows[name] = train(few, TUNING, held_out, seed + 1, start, frozen or 0)[1]
    top, bottom = next(iter(one)), next(iter(other))
    return {"ratio": rows[top][f"at_{at}"] / rows[bottom][f"at_{at}"], **rows, "few": FEW}
