"""LSGAN: logits are pulled to targets by squared error, which also pulls on fakes that fool D.

    L_D = 1/2 E (D(x) - b)^2 + 1/2 E (D(G(z)) - a)^2
    L_G = 1/2 E (D(G(z)) - c)^2

Mao et al., arXiv:1611.04076, equation 2; the targets a, b, c = 0, 1, 1 are equation 9, and
``--a -1 --b 1 --c 0`` (equation 8) is the one whose game minimises Pearson's chi-squared between
p_r + p_g and 2 p_g. Batch 64, and Adam with beta1 0.5, as in section 4.

Deviations: DCGAN's networks in place of the paper's wider ones for 112 pixels, with DCGAN's
learning rate of 2e-4. Points get three dense layers.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor, no_grad
from ..gan import EMA, Game, Recipe, alternating, judge_both
from ..gan.networks import players_for
from ..kernels.arrays import Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        a: D's target for fakes.
        b: D's target for reals.
        c: G's target for fakes.
        nz: length of z.
        ngf: channels of G's last hidden layer, images only.
        ndf: channels of D's first hidden layer, images only.
        hidden: units of each of the three hidden layers, points only.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 64
    lr: float = 2e-4
    beta1: float = 0.5
    a: float = 0.0
    b: float = 1.0
    c: float = 1.0
    nz: int = 100
    ngf: int = 64
    ndf: int = 64
    hidden: int = 128
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images or points of ``data_shape``."""
    G, D = players_for(
        data_shape, nz=config.nz, ngf=config.ngf, ndf=config.ndf, hidden=config.hidden
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
    """1/2 E (D(x) - b)^2 + 1/2 E (D(G(z)) - a)^2; notes the means of D(x) and D(G(z))."""
    with no_grad():
        fake = game.G(z)
    real_out, fake_out = judge_both(game.D, real, fake)
    game.metrics |= {
        "logit_real": float(ops.mean(real_out)),
        "logit_fake": float(ops.mean(fake_out)),
    }
    reals = ops.gan_loss(real_out, kind="least_squares", target=game.config.b)
    return reals + ops.gan_loss(fake_out, kind="least_squares", target=game.config.a)


def g_loss(game: Game, z: Tensor) -> Tensor:
    """1/2 E (D(G(z)) - c)^2."""
    return ops.gan_loss(game.D(game.G(z)), kind="least_squares", target=game.config.c)


RECIPE = Recipe(
    "lsgan",
    "arXiv:1611.04076",
    setup,
    alternating(d_loss, g_loss),
    Config,
    loss="least squares",
    reg="batch norm",
    data="points, images",
)
