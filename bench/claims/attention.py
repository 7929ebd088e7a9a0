"""SAGAN: does attention make distant parts of an image agree?

Each image has a bar of one colour at its left side and a bar of the same colour at its right side,
6 pixels wide each, 24 pixels apart from side to side; colours are uniform. Both players are SAGAN's,
but for the last two blocks of D, which are left out so that the toy can be small: a cell of D's last
map then sees a window of 16 pixels, never both bars. So without attention D can ask for the right
colours at each side, and not that they agree: its logit is a sum over cells.

Agreement is the correlation of the two bars' colours over samples of the last G, the mean of the
three channels': 1 in the data, about 0 where nothing asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from common import Claim, Row, main

from tinygan import nn, optim, recipes
from tinygan.gan import Game, fit
from tinygan.kernels.arrays import Array, Shape
from tinygan.random import Stream

SIDE, BAR, STEPS, SAMPLES = 24, 6, 800, 1000
SETTINGS = {"batch": 16, "nz": 8, "ngf": 16, "ndf": 16, "lr": 2e-3, "lr_d": 2e-3}
SAGAN = recipes.get("sagan")


def bars(seed: int, batch: int) -> Iterator[Array]:
    """Yield images whose two bars agree. Shapes: -> (batch, 3, SIDE, SIDE) in [-1, 1]."""
    stream = Stream(seed, "bars")
    while True:
        x = np.zeros((batch, 3, SIDE, SIDE), np.float32)
        x[..., :BAR] = x[..., -BAR:] = stream.uniform((batch, 3, 1, 1), -0.9, 0.9)
        yield x


def agreement(images: Array) -> float:
    """Return the correlation of the bars' colours. Shapes: images (N, 3, SIDE, SIDE)."""
    left, right = images[..., :BAR].mean((2, 3)), images[..., -BAR:].mean((2, 3))
    return float(np.mean([np.corrcoef(left[:, c], right[:, c])[0, 1] for c in range(3)]))


def short_sighted(config: Any, data_shape: Shape) -> Game:
    """Set the recipe up with a D of two blocks."""
    game = SAGAN.setup(config, data_shape)
    game.D.block3 = game.D.block4 = nn.Identity()
    betas = (config.beta1, config.beta2)
    game.opt_d = optim.Adam(game.D.parameters(), config.lr_d, betas=betas)
    return game


def agreement_of(seed: int, *, attention: bool) -> Row:
    """Train, and measure how far the bars of samples agree."""
    recipe = replace(SAGAN, setup=short_sighted)
    config = recipe.config(attention=attention, **SETTINGS)
    game = None
    for game in fit(recipe, bars(seed, config.batch), steps=STEPS, seed=seed, config=config):
        pass
    assert game is not None
    images = game.sample(SAMPLES)
    return {
        "agreement": agreement(images),
        "spread": float(images[..., :BAR].mean((2, 3)).std(0).mean()),  # 0.52 in the data
        "steps": STEPS,
    }
