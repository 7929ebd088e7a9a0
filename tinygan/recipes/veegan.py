"""VEEGAN: a reconstructor F maps data back to noise, and G is asked to be invertible by it.

    L_D = E softplus(-D(x, F(x))) + E softplus(D(G(z), z))
    L_GF = -E D(G(z), z) + lambda E ||z - F(G(z))||^2 / nz          (D returns logits)

Srivastava et al., arXiv:1705.07761, section 3 and algorithm 1. D's optimum is the log ratio of the
joint densities of (x, F(x)) and (G(z), z), so G climbs it as it is. Where G misses modes, F takes
their data to places that z doesn't come from, which D sees; the reconstruction of z pulls F
towards the inverse of G. F has no other loss, as in the algorithm.

Deviations: D has the other sign, so that data are its ones; F is a function, not a distribution;
the distance is a mean over z's numbers and has a weight. Sizes and rates are ours. Images get dense
networks as wide as ``hidden`` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import cast

from .. import ops, optim
from ..autograd import Tensor, grad
from ..gan import EMA, Game, Recipe
from ..gan.game import Metrics
from ..gan.networks import MLPDiscriminator, MLPEncoder, MLPGenerator, pair
from ..kernels.arrays import Array, Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; 0 stands for "by the data".

    Attributes:
        batch: samples a step.
        lr: learning rate of all players.
        beta1: decay of Adam's first moment.
        lambda_z: lambda, the weight of the reconstruction of z.
        nz: length of z; 0: 50 for images, 16 for points.
        hidden: units of each of the two hidden layers; 0: 512 for images, 128 for points.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 128
    lr: float = 1e-3
    beta1: float = 0.5
    lambda_z: float = 1.0
    nz: int = 0
    hidden: int = 0
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make G, F and D and their optimizers for images or points of ``data_shape``."""
    nz, units = (50, 512) if len(data_shape) == 3 else (16, 128)
    config = replace(config, nz=config.nz or nz, hidden=config.hidden or units)
    hidden = (config.hidden,) * 2
    G = MLPGenerator(config.nz, data_shape, hidden=hidden)
    F = MLPEncoder(data_shape, config.nz, hidden=hidden)
    D = MLPDiscriminator((prod(data_shape) + config.nz,), hidden=hidden)
    betas = (config.beta1, 0.999)
    return Game(
        G,
        D,
        optim.Adam([*G.parameters(), *F.parameters()], config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr, betas=betas),
        config.nz,
        config=config,
        ema=EMA.maybe(G, config.half_life_kimg),
        extra={"F": F},
    )


def step(game: Game, batches: Iterator[Array]) -> Metrics:
    """Let D descend, then G and F together on the same z."""
    F = cast(MLPEncoder, game.extra["F"])
    real = Tensor(next(batches))
    z = game.latent(real.shape[0])
    fake = game.G(z)

    real_logit = game.D(pair(real, F(real).detach()))
    fake_logit = game.D(pair(fake.detach(), z))
    game.observe(real_logit, fake_logit)
    loss_d = ops.logistic_d_loss(real_logit, fake_logit)
    game.opt_d.step(grad(loss_d, game.opt_d.params))

    distance = ops.mean(ops.square(z - F(fake)))
    loss_g = ops.wasserstein_g_loss(game.D(pair(fake, z))) + game.config.lambda_z * distance
    game.opt_g.step(grad(loss_g, game.opt_g.params))
    return {"loss_d": float(loss_d), "loss_g": float(loss_g), "distance_z": float(distance)}


RECIPE = Recipe("veegan", "arXiv:1705.07761", setup, step, Config)
