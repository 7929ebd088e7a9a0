"""What the procedures of ``gan/procedures.py`` are for: few images, rates apart, a strong D.

``few-*``, ``pool`` and ``ttur``: DCGAN on embedded digits at 16 pixels, judged by the Frechet
distance in the features of ``digits_lenet`` between 2,000 samples and the digits that D never saw.
Each measurement trains twice, with the procedure and without it, from one seed; the figure is the
quotient of the two distances after the last step.

``starved-*``: a dense GAN on the digits, whose D gets a head start of 400 steps. What is left of
G's gradient is its norm over that before the head start, on the same z.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from common import Claim, Row, main

from tinygan import data
from tinygan.autograd import Tensor, grad
from tinygan.data import Dataset
from tinygan.gan import LOSSES, Game, fit, new_game, with_procedures
from tinygan.gan.game import evaluating
from tinygan.kernels.arrays import Array
from tinygan.metrics.fid import frechet_distance_of_features
from tinygan.metrics.house_nets import house_net
from tinygan.random import Stream
from tinygan.recipes import get

SMALL = {"batch": 32, "lr": 5e-4, "nz": 24, "ngf": 16, "ndf": 16, "half_life_kimg": 2.0}


def halves(images: int, seed: int) -> tuple[Dataset, Array]:
    """Return so many digits to train on, others for each seed, and the rest as an array."""
    whole = data.load("digits:16")
    order = Stream(seed, "few").permutation(len(whole))
    few = dataclasses.replace(whole, stored=whole.stored[order[:images]], labels=None, classes=())
    return few, whole.take(order[images:])


def distance(game: Game, held_out: Array, seed: int) -> float:
    """Frechet distance between samples and held-out digits."""
    embed = house_net("digits_lenet").embed
    fake = game.sample(2000, seed=seed)
    return frechet_distance_of_features(embed(held_out).features, embed(fake).features)


def trained(images: int, steps: int, seed: int, *, every: int = 0, **procedures: Any) -> Row:
    """Train DCGAN; return the last distance, the best one, and the last metrics."""
    recipe = with_procedures(get("dcgan"), **procedures)
    few, held_out = halves(images, seed)
    batches = data.Batches(few, SMALL["batch"], seed=seed)
    found, config = [], recipe.config(**SMALL)
    for game in fit(recipe, batches, steps=steps, seed=seed, config=config):
        if game.step % (every or steps) == 0:
            found.append(distance(game, held_out, seed))
    return {
        "last": found[-1],
        "best": min(found),
        "curve": found,
        "ada_p": game.metrics.get("ada_p"),
    }


def starved(seed: int, *, head_start: int = 400) -> Row:
    """Norms of G's gradient under both losses before D's head start and after it, on one z."""
    recipe = with_procedures(get("gan"), pretrain_d=head_start)
    config = recipe.config(batch=64, nz=16, hidden_g=64, hidden_d=64)
    batches = data.Batches(data.load("digits:8"), config.batch, seed=seed)
    row: Row = {"steps": head_start}
    game = new_game(recipe, (1, 8, 8), seed=seed, config=config)
    row |= {f"{name}_before": norm for name, norm in slopes(game).items()}
    for game in fit(recipe, batches, steps=head_start, seed=seed, config=config):  # noqa: B007
        pass
    row |= {f"{name}_after": norm for name, norm in slopes(game).items()}
    row["d_fake"] = game.metrics["d_fake"]
    for name in ("minimax", "nonsaturating"):
        row[f"{name}_left"] = row[f"{name}_after"] / row[f"{name}_before"]
    return row


def slopes(game: Game) -> dict[str, float]:
    """Return ||grad_theta L_G|| by loss, of the mean over 1,024 z, with D's dropout off."""
    z = Tensor(Stream(0, "probe").normal((1024, game.nz)))
    found = {}
    with evaluating(game.D):
        for name in ("minimax", "nonsaturating"):
            loss = LOSSES[name].g_loss(game.D(game.G(z)), None)
            parts = grad(loss, game.opt_g.params)
            found[name] = float(sum(float((g.data**2).sum()) for g in parts) ** 0.5)
    return found
