"""Extragradient GAN: both players look a step ahead, then move along the gradients found there.

    v(theta, psi) = (grad_theta L_G, grad_psi L_D)
    w' = w - ExtraAdam(v(w)),   w <- w - ExtraAdam(v(w')),   w = (theta, psi)

Gidel et al., arXiv:1802.10551, section 3.2 and algorithm 4. Where v turns around an equilibrium,
descent spirals away from it and extragradient into it (see ``optim.Extragradient``). L_D and L_G
are WGAN-GP's, the game of the paper's best results; each half of a step has a batch of its own.
Settings of the paper's WGAN-GP on DCGAN's networks: 5e-4 for both players, Adam's betas 0.5 and
0.9, lambda 10, batch 64.

Deviations: G's average is off by default; the paper's 0.9999 a step is ``--half-life-kimg 444``.
The critic has no batch norm, as the penalty is per sample. Points get three layers of ``hidden``
units, z of 2 numbers, lambda 0.1 as in WGAN-GP's toys, and a slower G: at equal rates G runs from
one mode of a ring to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .. import nn, ops, optim
from ..autograd import Tensor
from ..gan import EMA, Game, Recipe, game_field, gradient_penalty
from ..gan.game import Metrics
from ..gan.networks import (
    DCGANDiscriminator,
    DCGANGenerator,
    MLPDiscriminator,
    MLPGenerator,
)
from ..kernels.arrays import Array, Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; where 0 stands for "by the data", images get the paper's value.

    Attributes:
        batch: samples a half step.
        lr: learning rate of G; 0: 5e-4 for images, 1e-4 for points.
        lr_d: learning rate of the critic.
        beta1: decay of Adam's first moment, a half step.
        beta2: decay of Adam's second moment, a half step.
        lambda_gp: weight of the gradient penalty; 0: 10 for images, 0.1 for points.
        nz: length of z; 0: 128 for images, 2 for points.
        ngf: channels of G's last hidden layer, images only.
        ndf: channels of the critic's first hidden layer, images only.
        hidden: units of each of the three hidden layers, points only.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 64
    lr: float = 0.0
    lr_d: float = 5e-4
    beta1: float = 0.5
    beta2: float = 0.9
    lambda_gp: float = 0.0
    nz: int = 0
    ngf: int = 64
    ndf: int = 64
    hidden: int = 128
    half_life_kimg: float = 0.0


def players(config: Config, data_shape: Shape) -> tuple[nn.Module, nn.Module]:
    """Make G and the critic."""
    if len(data_shape) == 3:
        return (
            DCGANGenerator(config.nz, data_shape, ngf=config.ngf),
            DCGANDiscriminator(data_shape, ndf=config.ndf, batch_norm=False),
        )
    hidden = (config.hidden,) * 3
    G = MLPGenerator(config.nz, data_shape, hidden=hidden)
    return G, MLPDiscriminator(data_shape, hidden=hidden)


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images or points of ``data_shape``."""
    lr, lambda_gp, nz = (5e-4, 10.0, 128) if len(data_shape) == 3 else (1e-4, 0.1, 2)
    config = replace(
        config,
        lr=config.lr or lr,
        lambda_gp=config.lambda_gp or lambda_gp,
        nz=config.nz or nz,
    )
    G, D = players(config, data_shape)
    betas = (config.beta1, config.beta2)
    return Game(
        G,
        D,
        optim.ExtraAdam(G.parameters(), config.lr, betas=betas),
        optim.ExtraAdam(D.parameters(), config.lr_d, betas=betas),
        config.nz,
        config=config,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def losses(game: Game, real: Tensor) -> tuple[Tensor, Tensor]:
    """L_G = -E D(G(z)) and L_D = E D(G(z)) - E D(x) + lambda * gradient penalty, at one z."""
    fake = game.G(game.latent(real.shape[0]))
    real_score, fake_score = game.D(real), game.D(fake)
    wasserstein = ops.wasserstein_d_loss(real_score, fake_score)
    alpha = game.streams.stream("alpha").uniform(real.shape[0])
    penalty = gradient_penalty(game.D, real, fake.detach(), alpha=alpha)
    game.metrics |= {"w_distance": -float(wasserstein), "penalty": float(penalty)}
    loss_d: Tensor = wasserstein + game.config.lambda_gp * penalty
    return ops.wasserstein_g_loss(fake_score), loss_d


def step(game: Game, batches: Iterator[Array]) -> Metrics:
    """Move both players to w' at once, then from w along the field at w'."""
    theta, psi = game.opt_g.params, game.opt_d.params
    for half in ("extrapolate", "step"):
        loss_g, loss_d = losses(game, Tensor(next(batches)))
        v = game_field((loss_g, loss_d), (theta, psi))
        getattr(game.opt_g, half)(v[: len(theta)])
        getattr(game.opt_d, half)(v[len(theta) :])
    return {"loss_d": float(loss_d), "loss_g": float(loss_g)}


RECIPE = Recipe(
    "extragradient",
    "arXiv:1802.10551",
    setup,
    step,
    Config,
    loss="Wasserstein",
    reg="gradient penalty",
    data="points, images",
)
