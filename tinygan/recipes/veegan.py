"""VEEGAN: a reconstructor F maps data back to noise, and G is asked to be invertible by it.

    L_D = E softplus(-D(x, F(x) + n)) + E softplus(D(G(z), z)),   n ~ N(0, 1)
    L_GF = -E D(G(z), z) + lambda E ||z - F(G(z))||^2          (D returns logits)

Srivastava et al., arXiv:1705.07761, section 3 and algorithm 1. D's optimum is the log ratio of the
joint densities of (x, F(x) + n) and (G(z), z), so G climbs it as it is. Where G misses modes, F
takes their data to places that z doesn't come from, which D sees; the reconstruction of z pulls F
towards the inverse of G. F has no other loss, as in the algorithm. Its noise n is what makes it a
distribution, of unit variance: without n, D tells pairs apart by how far F(x) spreads.

Deviations: D has the other sign, so that data are its ones; the distance has a weight. Rates and
widths are those of the authors' rings and grids, Adam(1e-3, 0.5) and layers of 128 units; D has two
of them, not one. Theirs, with z of 254 numbers, lambda 1/2 and batches of 500, take 100,000 steps:
points tell two numbers of z, and the other 252 outweigh D for long. Images get dense networks as
wide as ``hidden`` says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import cast

from .. import ops, optim
from ..autograd import Tensor
from ..gan import EMA, Game, Recipe, alternating
from ..gan.networks import MLPDiscriminator, MLPEncoder, MLPGenerator, pair
from ..kernels.arrays import Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; 0 stands for "by the data".

    Attributes:
        batch: samples a step.
        lr: learning rate of all players.
        beta1: decay of Adam's first moment.
        lambda_z: lambda, the weight of the reconstruction of z.
        nz: length of z; 0: 50 for images, 8 for points.
        hidden: units of each of the two hidden layers; 0: 512 for images, 128 for points.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 128
    lr: float = 1e-3
    beta1: float = 0.5
    lambda_z: float = 0.1
    nz: int = 0
    hidden: int = 0
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make G, F and D and their optimizers for images or points of ``data_shape``."""
    nz, units = (50, 512) if len(data_shape) == 3 else (8, 128)
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


def d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
    """E softplus(-D(x, F(x) + n)) + E softplus(D(G(z), z))."""
    noise = Tensor(game.streams.stream("reconstructor").normal(z.shape, z.dtype))
    real_logit = game.D(pair(real, reconstructor(game)(real).detach() + noise))
    fake_logit = game.D(pair(game.fake(z).detach(), z))
    game.observe(real_logit, fake_logit)
    return ops.logistic_d_loss(real_logit, fake_logit)


def g_loss(game: Game, z: Tensor) -> Tensor:
    """-E D(G(z), z) + lambda E ||z - F(G(z))||^2, of G and F together."""
    fake = game.fake(z)
    distance = ops.mean(ops.sum(ops.square(z - reconstructor(game)(fake)), 1))
    game.metrics["distance_z"] = float(distance)
    loss: Tensor = ops.wasserstein_g_loss(game.D(pair(fake, z))) + game.config.lambda_z * distance
    return loss


def reconstructor(game: Game) -> MLPEncoder:
    """Return F."""
    return cast(MLPEncoder, game.extra["F"])


RECIPE = Recipe(
    "veegan",
    "arXiv:1705.07761",
    setup,
    alternating(d_loss, g_loss, share_z=True),
    Config,
    loss="logistic on pairs",
    reg="reconstruction of z",
    data="points, images",
)
