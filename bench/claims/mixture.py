"""Several generators as one: what a mixture of samples covers, and what the mean of outputs makes.

Three GANs that each may lose modes of the 25-grid are sampled as a mixture, with equal weights, and
as an average of their outputs for the same z, which is what an ensemble of classifiers would do.
Modes and the share of samples within 3 sigma of one are those of PacGAN's protocol, of 2,500
samples.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from common import Claim, Row, main

from tinygan import Tensor, data, no_grad, random, recipes
from tinygan.data.toys import TOYS
from tinygan.gan import Mixture, fit
from tinygan.kernels.arrays import Array
from tinygan.metrics.modes import toy_modes
from tinygan.nn import Module

RUNS, STEPS, SAMPLES, NZ = 3, 1500, 2500, 2
TOY = TOYS["grid"]


def generators(seed: int) -> list[Module]:
    """Train the GANs of a seed: each has a seed of its own."""
    recipe = recipes.get("gan")
    config = recipe.config(nz=NZ)
    found = []
    for own in range(RUNS * seed, RUNS * seed + RUNS):
        batches = data.Batches(data.load("grid"), config.batch, seed=own)
        *_, game = fit(recipe, batches, steps=STEPS, seed=own, config=config)
        found.append(game.G.eval())
    return found


def sampled(nets: list[Module], seed: int, *, average: bool = False) -> Array:
    """Sample a mixture of generators, or the mean of their outputs."""
    z = random.Stream(seed, "z").normal((SAMPLES, NZ))
    with no_grad(), random.using(random.Streams(seed)):
        if average:
            return np.mean([net(Tensor(z)).numpy() for net in nets], axis=0)
        return Mixture(nets)(Tensor(z)).numpy()


@cache
def measure(seed: int) -> Row:
    """Count the modes of each run, of the mixture and of the mean."""
    nets = generators(seed)
    alone = [toy_modes(sampled([net], seed), TOY.centres, sigma=TOY.sigma) for net in nets]
    mixed = toy_modes(sampled(nets, seed), TOY.centres, sigma=TOY.sigma)
    mean = toy_modes(sampled(nets, seed, average=True), TOY.centres, sigma=TOY.sigma)
    worst = min(one.high_quality for one in alone)
    return {
        "gained": mixed.recovered - max(one.recovered for one in alone),
        "lost": (worst - mean.high_quality) / worst,
        "alone": [one.recovered for one in alone],
        "mixture": mixed.recovered,
        "good_alone": [one.high_quality for one in alone],
        "good_mixture": mixed.high_quality,
        "good_mean": mean.high_quality,
    }


_SETUP = {
    "recipe": "",
    "sense": ">=",
    "paper": "a mixture covers what its parts miss (AdaGAN, arXiv:1701.02386, no figure taken)",
    "measure": measure,
}

CLAIMS = (
    Claim(
        name="mixture-modes",
        says="a mixture of three GANs covers more modes of the grid than the best of them",
        quantity="gained",
        unit="of 25 modes, more",
        threshold=1.0,
        budget=f"3 GANs, {STEPS} steps each",
        note="After so few steps a tenth of a GAN's samples lie on a mode, and the three lack much "
        "the same modes, so there is little to gain; longer runs were not tried. The mixture is of "
        "its parts' quality, and never below the best of them in modes.",
        **_SETUP,
    ),
    Claim(
        name="mixture-mean",
        says="the mean of three GANs' outputs lies off the modes",
        quantity="lost",
        unit="of the worst GAN's share of good samples, lost",
        threshold=0.5,
        budget="the GANs of mixture-modes",
        **_SETUP,
    ),
)

if __name__ == "__main__":
    main(CLAIMS)
