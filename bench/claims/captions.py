"""Text to image: whether a picture shows the count, the colour and the digit of its caption.

Pictures are three cells of 16 pixels. A cell is written where its mean ink is at least ``INK``;
the colour is the nearest of the four by the direction of the summed pixels; each written cell's
largest channel is told by ``digits_lenet``, and all of them are to be the caption's digit. Of the
real pictures ``right`` says how many pass by the same rules.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import Claim, Row, main

from tinygan import data, recipes
from tinygan.autograd import Tensor, no_grad
from tinygan.data.captions import CAPTIONS, LENGTH, PARTS
from tinygan.data.painted import COLOURS
from tinygan.gan import fit
from tinygan.gan.game import evaluating
from tinygan.metrics.house_nets import house_net
from tinygan.random import Stream

EACH = 10  # pictures of each caption
INK = 0.11  # mean of a cell: half of what the faintest real one has
STEPS = 12_000
SETTINGS: dict[str, Any] = {"ngf": 32, "ndf": 32, "batch": 32, "half_life_kimg": 5}


def read(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tell count, colour and digit of each picture; digit -1 where its cells differ."""
    ink = (images + 1) / 2  # (N, 3, H, W)
    n, _, height, width = ink.shape
    grey = ink.max(1).reshape(n, height, LENGTH, width // LENGTH)
    written = grey.mean((1, 3)) >= INK  # (N, 3)
    from_left = written.cumprod(1).sum(1)
    count = np.where(written.sum(1) == from_left, from_left, -1)
    rgb = np.array(list(COLOURS.values()), np.float64)
    rgb /= np.linalg.norm(rgb, axis=1, keepdims=True)
    colour = (ink.sum((2, 3)) @ rgb.T).argmax(1)
    cells = grey.transpose(0, 2, 1, 3).reshape(-1, 1, height, width // LENGTH) * 2 - 1
    told = house_net("digits_lenet").embed(cells.astype(np.float32)).probabilities.argmax(1)
    told = told.reshape(n, LENGTH)
    same = ((told == told[:, :1]) | ~written).all(1)
    return count, colour, np.where(same, told[:, 0], -1)


def shares(images: np.ndarray, captions: np.ndarray) -> Row:
    """Say how many pictures in a hundred show the count, the colour, the digit, and all three."""
    wanted = np.array(PARTS)[captions].T
    right = np.stack([a == b for a, b in zip(read(images), wanted, strict=True)])
    each = dict(zip(("count", "colour", "digit"), 100 * right.mean(1), strict=True))
    return {"all": 100 * float(right.all(0).mean())} | {k: float(v) for k, v in each.items()}


def captions_are_shown(seed: int, steps: int = STEPS) -> Row:
    """Train on captioned digits and read the pictures of all captions."""
    recipe, dataset = recipes.get("text_to_image"), data.load("captioned:digits:16")
    config = recipe.config(num_classes=len(CAPTIONS), **SETTINGS)
    batches = data.Batches(dataset, config.batch, seed=seed).with_labels()
    for game in fit(recipe, batches, steps=steps, seed=seed, config=config):  # noqa: B007
        pass
    captions = np.repeat(np.arange(len(CAPTIONS)), EACH)
    z = Stream(seed, "claim").normal((len(captions), game.nz))
    assert game.ema is not None
    with no_grad(), evaluating(game.ema.module) as net:
        images = net(Tensor(z), captions).numpy()
    real = shares(dataset.arrays[:: len(dataset) // 1200], dataset.labels[:: len(dataset) // 1200])
    return shares(images, captions) | {"right": real["all"], "steps": steps, "settings": SETTINGS}


CLAIMS = (
    Claim(
        name="text-captions",
        recipe="text_to_image",
        says="pictures show the count, the colour and the digit that their captions name",
        quantity="all",
        unit="% of pictures show all three",
        sense=">=",
        threshold=80.0,
        paper="no such figure: birds and flowers, judged by eye",
        budget=f"{STEPS} steps of 32, 12,000 pictures of 16 x 48 pixels",
        measure=captions_are_shown,
        seeds=1,
    ),
)

if __name__ == "__main__":
    main(CLAIMS)
