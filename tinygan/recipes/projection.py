"""Projection: D scores a class by the inner product of its vector with the image's features.

    L_D = E relu(1 - D(x, y)) + E relu(1 + D(x~, y~)),   x~ = G(z, y~),  y~ uniform
    L_G = -E D(x~, y~),                D(x, y) = w . phi(x) + v_y . phi(x)

Miyato & Koyama, arXiv:1802.05637, equation 5: what a log-ratio of densities looks like where
p(y | x) is log-linear. G has conditional batch norm, D spectral norm, v included. Networks and
settings are SNGAN's for CIFAR-10: 256 channels in G and 128 in D, Adam(2e-4, 0, 0.9), five D steps
a G step.

Deviations: the paper's networks are larger, for 128 pixels; learning rates stay. G's batch is D's.
Images only.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor
from ..gan import EMA, Game, Recipe, alternating_labelled, check_classes
from ..gan.networks import ProjectionDiscriminator, ProjectionGenerator
from ..kernels.arrays import Array, Shape

Pair = tuple[Tensor, Array]  # samples and their classes


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        beta2: decay of Adam's second moment.
        n_critic: D steps a G step.
        num_classes: K, classes of the labels; 0: as many as a run's data have.
        nz: length of z.
        ngf: channels of G's hidden layers.
        ndf: channels of D's hidden layers.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 64
    lr: float = 2e-4
    beta1: float = 0.0
    beta2: float = 0.9
    n_critic: int = 5
    num_classes: int = 0
    nz: int = 128
    ngf: int = 256
    ndf: int = 128
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images of ``data_shape`` (C, S, S)."""
    check_classes("projection", config.num_classes)
    classes = config.num_classes
    G = ProjectionGenerator(config.nz, data_shape, num_classes=classes, ngf=config.ngf)
    D = ProjectionDiscriminator(data_shape, num_classes=classes, ndf=config.ndf)
    betas = (config.beta1, config.beta2)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr, betas=betas),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def d_loss(game: Game, real: Pair, fake: Pair) -> Tensor:
    """E relu(1 - D(x, y)) + E relu(1 + D(x~, y~)); notes the means of D."""
    real_out, fake_out = game.D(*real), game.D(*fake)
    game.metrics |= {
        "logit_real": float(ops.mean(real_out)),
        "logit_fake": float(ops.mean(fake_out)),
    }
    return ops.hinge_d_loss(real_out, fake_out)


def g_loss(game: Game, fake: Pair) -> Tensor:
    """-E D(x~, y~)."""
    return ops.hinge_g_loss(game.D(*fake))


RECIPE = Recipe(
    "projection",
    "arXiv:1802.05637",
    setup,
    alternating_labelled(d_loss, g_loss),
    Config,
    labelled=True,
    loss="hinge",
    reg="spectral norm",
    data="labelled images",
)
