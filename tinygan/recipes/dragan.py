"""DRAGAN: the original game, with a penalty on D's slope around the data.

    L_D = E softplus(-D(x)) + E softplus(D(G(z))) + lambda E (||grad D(x_hat)||_2 - 1)^2
    L_G = E softplus(-D(G(z)))
    x_hat = x + alpha c std(x) u,   u ~ U(0, 1) per entry,   alpha ~ U(0, 1) per sample

Kodali, Abernethy, Hays & Kira, arXiv:1705.07215, section 3 and algorithm 1: sharp slopes around
real samples are where games collapse, so only they are kept from growing. lambda 10 and c 0.5 are
the authors'; Adam(2e-4, 0.5) on DCGAN's networks.

Deviations: D has no batch norm, with which the slope at a sample would depend on the others of its
batch. Points get three dense layers.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor, no_grad
from ..gan import EMA, Game, Recipe, alternating, dragan
from ..gan.networks import players_for
from ..kernels.arrays import Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        lambda_gp: lambda, the weight of the penalty.
        c: size of the neighbourhood, in standard deviations of the batch.
        nz: length of z.
        ngf: channels of G's last hidden layer, images only.
        ndf: channels of D's first hidden layer, images only.
        hidden: units of each of the three hidden layers, points only.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 64
    lr: float = 2e-4
    beta1: float = 0.5
    lambda_gp: float = 10.0
    c: float = 0.5
    nz: int = 100
    ngf: int = 64
    ndf: int = 64
    hidden: int = 128
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images or points of ``data_shape``."""
    G, D = players_for(
        data_shape,
        nz=config.nz,
        ngf=config.ngf,
        ndf=config.ndf,
        hidden=config.hidden,
        batch_norm=False,
    )
    betas = (config.beta1, 0.999)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr, betas=betas),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
    """E softplus(-D(x)) + E softplus(D(G(z))) + lambda * penalty around the data."""
    with no_grad():
        fake = game.G(z)
    real_logit, fake_logit = game.D(real), game.D(fake)
    game.observe(real_logit, fake_logit)
    stream = game.streams.stream
    penalty = dragan(
        game.D,
        real,
        noise=stream("noise").uniform(real.shape),
        alpha=stream("alpha").uniform(real.shape[0]),
        c=game.config.c,
    )
    game.metrics["penalty"] = float(penalty)
    loss: Tensor = ops.logistic_d_loss(real_logit, fake_logit) + game.config.lambda_gp * penalty
    return loss


def g_loss(game: Game, z: Tensor) -> Tensor:
    """E softplus(-D(G(z)))."""
    return ops.nonsaturating_g_loss(game.D(game.G(z)))


RECIPE = Recipe(
    "dragan",
    "arXiv:1705.07215",
    setup,
    alternating(d_loss, g_loss),
    Config,
    loss="non-saturating",
    reg="DRAGAN",
    data="points, images",
)
