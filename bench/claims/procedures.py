"""What the procedures of ``gan/procedures.py`` are for: few images, rates apart, a strong D.

``few-*``, ``pool`` and ``ttur``: DCGAN on embedded digits at 16 pixels, judged by the Frechet
distance in the features of ``digits_lenet`` between 2,000 samples and the digits that D never saw.
Each measurement trains twice, with the procedure and without it, from one seed; the figure is the
quotient of the two distances after the last step.

``starved-minimax``: a dense GAN on the digits, whose D gets a head start. The figure is the norm of
G's gradient under the saturating loss over that under the non-saturating one, on the same z.
"""

from __future__ import annotations

import dataclasses
from functools import cache
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


@cache
def trained(images: int, steps: int, seed: int, **procedures: Any) -> Row:
    """Train DCGAN; return the distance after the last step, the best of six, and ADA's p."""
    recipe = with_procedures(get("dcgan"), **procedures)
    few, held_out = halves(images, seed)
    batches = data.Batches(few, SMALL["batch"], seed=seed)
    found, config = [], recipe.config(**SMALL)
    for game in fit(recipe, batches, steps=steps, seed=seed, config=config):
        if game.step % (steps // 6) == 0 or game.step == steps:
            found.append(distance(game, held_out, seed))
    return {"last": found[-1], "best": min(found), "p": game.metrics.get("ada_p", 0.0)}


def against(images: int, steps: int, seed: int, **procedures: Any) -> Row:
    """Train with procedures and without; return both, and the quotient of the last distances."""
    plain, other = (trained(images, steps, seed, **chosen) for chosen in ({}, procedures))
    return {
        "quotient": other["last"] / plain["last"],
        "plain": plain,
        "chosen": other,
        "procedures": procedures,
        "steps": steps,
    }


def starved(seed: int, *, head_start: int = 1000) -> Row:
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
    return row | {"share": row["minimax_after"] / row["nonsaturating_after"]}


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


def quotient(
    name: str, images: int, steps: int, *, procedures: dict[str, Any], **more: Any
) -> Claim:
    """A claim about ``against``."""
    return Claim(
        name=name,
        recipe="",
        quantity="quotient",
        unit="of the distance without",
        sense="<=",
        budget=f"{images:,} digits of 16 pixels, {steps:,} steps of 32, twice",
        measure=lambda seed: against(images, steps, seed, **procedures),
        **more,
    )


CLAIMS = (
    quotient(
        "few-diff",
        100,
        2000,
        procedures={"augment": "diff"},
        says="DiffAugment lowers the distance to held-out digits where D has 100 images",
        threshold=0.75,
        paper="2 to 4 times lower FID with 1,000 images (FFHQ, LSUN)",
    ),
    quotient(
        "few-ada",
        100,
        2000,
        procedures={"augment": "ada:0.6/30"},
        says="ADA lowers the distance to held-out digits where D has 100 images",
        threshold=0.75,
        paper="CIFAR-10's best FID from 5.59 to 2.42",
        note="p may rise from 0 to 1 in 30 thousand images in place of 500, as a run has 64",
    ),
    quotient(
        "ttur",
        1500,
        1500,
        procedures={"ttur": 2},
        says="a rate of D twice that of G lowers the distance after as many steps",
        threshold=0.95,
        paper="FID 12.5 on CelebA with two rates",
        note="the best distances on the way are alike; on the seed looked at before it was 0.9. "
        "With 100 images 4 was worse than 1; with 1,500, 0.5 was slightly worse on one seed",
    ),
    quotient(
        "pool",
        1500,
        1500,
        procedures={"pool": 64},
        says="old fakes for D lower the distance after as many steps",
        threshold=0.95,
        paper="fewer artefacts, shown by pictures (1612.07828, section 2.3)",
        note="a dense GAN on the ring loses modes with a pool of 512, and DCGAN is worse with "
        "1,000: D answers to fakes that G no longer makes",
    ),
    Claim(
        name="starved-minimax",
        recipe="",
        says="after D's head start the saturating loss leaves G a hundredth of its gradient "
        "under the non-saturating one",
        quantity="share",
        unit="of the non-saturating gradient's norm",
        sense="<=",
        threshold=0.01,
        paper="it vanishes: theorem 2.4 and figure 2 of 1701.04862",
        budget="8 pixels, 1,000 steps of D alone",
        measure=starved,
        note="before the head start both are alike; Adam rescales what is left, so G does move",
    ),
)

if __name__ == "__main__":
    main(CLAIMS)
