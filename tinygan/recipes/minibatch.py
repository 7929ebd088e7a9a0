"""Minibatch discrimination: D compares the samples of a batch, so that G can't make one over again.

    L_D = E softplus(-D(x)) + E softplus(D(G(z)))
    L_G = E softplus(-D(G(z)))
    D(x_i) = head(h_i, o_i),   o_ib = sum_{j != i} exp(-||M_ib - M_jb||_1),   M_i = h_i T

Salimans et al., arXiv:1606.03498, section 3.2: h is D's last hidden layer, T a learned tensor of
B x C numbers for each of its entries; o counts the samples that lie close to x_i, in B learned
distances. B = 100 and C = 5 are of the authors' code. Reals and fakes are compared among
themselves. Samples look better than with feature matching; a classifier on D's features is worse.

Deviations: the sum leaves out j = i, whose constant 1 the paper's has; DCGAN's networks and its
Adam(2e-4, 0.5). Points get three dense layers.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor, no_grad
from ..gan import EMA, Game, Recipe, alternating
from ..gan.networks import MinibatchDiscriminator, players_for
from ..kernels.arrays import Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step, which are compared with each other.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        distances: B, learned distances of two samples.
        kernel_dims: C, numbers that a distance sums over.
        nz: length of z.
        ngf: channels of G's last hidden layer, images only.
        ndf: channels of D's first hidden layer, images only.
        hidden: units of each of the three hidden layers, points only.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 64
    lr: float = 2e-4
    beta1: float = 0.5
    distances: int = 100
    kernel_dims: int = 5
    nz: int = 100
    ngf: int = 64
    ndf: int = 64
    hidden: int = 128
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images or points of ``data_shape``."""
    G, trunk = players_for(
        data_shape, nz=config.nz, ngf=config.ngf, ndf=config.ndf, hidden=config.hidden
    )
    D = MinibatchDiscriminator(trunk, out_features=config.distances, kernel_dims=config.kernel_dims)
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
    """E softplus(-D(x)) + E softplus(D(G(z))), reals and fakes in batches of their own."""
    with no_grad():
        fake = game.G(z)
    real_logit, fake_logit = game.D(real), game.D(fake)
    game.observe(real_logit, fake_logit)
    return ops.logistic_d_loss(real_logit, fake_logit)


def g_loss(game: Game, z: Tensor) -> Tensor:
    """E softplus(-D(G(z)))."""
    return ops.nonsaturating_g_loss(game.D(game.G(z)))


RECIPE = Recipe(
    "minibatch",
    "arXiv:1606.03498",
    setup,
    alternating(d_loss, g_loss),
    Config,
    loss="non-saturating",
    reg="minibatch discrimination",
    data="points, images",
)
