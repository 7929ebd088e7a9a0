"""SAGAN: self-attention lets distant parts of an image agree, with spectral norm in both players.

    L_D = E relu(1 - D(x)) + E relu(1 + D(G(z))),   each weight of G and of D is W / sigma(W)
    L_G = -E D(G(z))
    attention:  x + gamma * o(softmax(theta(x) phi(x)^T) g(x)),   gamma = 0 at first

Zhang, Goodfellow, Metaxas & Odena, arXiv:1805.08318. Settings of the authors' code: learning rates
1e-4 for G and 4e-4 for D, in place of several D steps a G step, Adam's betas 0 and 0.9, queries and
keys of C / 8 channels and values of C / 2, keys and values pooled 2 x 2.

Deviations: no classes, where the paper has conditional batch norm and a projection, so that any
images fit; SNGAN's residual networks for 32 pixels, with attention at half the side, in place of
deeper ones for 128 with attention at a quarter; batch 64 in place of 256. Images only.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor, no_grad
from ..gan import EMA, Game, Recipe, alternating
from ..gan.networks import SAGANDiscriminator, SAGANGenerator
from ..kernels.arrays import Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; the rates are those of the authors' code.

    Attributes:
        batch: samples a step.
        lr: learning rate of G.
        lr_d: learning rate of D.
        beta1: decay of Adam's first moment.
        beta2: decay of Adam's second moment.
        n_critic: D steps a G step.
        attention: False leaves it out of both players, to compare.
        nz: length of z.
        ngf: channels of G's hidden layers, 8 or more.
        ndf: channels of D's hidden layers, 8 or more.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 64
    lr: float = 1e-4
    lr_d: float = 4e-4
    beta1: float = 0.0
    beta2: float = 0.9
    n_critic: int = 1
    attention: bool = True
    nz: int = 128
    ngf: int = 256
    ndf: int = 128
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images of ``data_shape`` (C, S, S)."""
    G = SAGANGenerator(config.nz, data_shape, ngf=config.ngf, attention=config.attention)
    D = SAGANDiscriminator(data_shape, ndf=config.ndf, attention=config.attention)
    betas = (config.beta1, config.beta2)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr_d, betas=betas),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
    """E relu(1 - D(x)) + E relu(1 + D(G(z))); notes the means of D and the gains of attention."""
    with no_grad():
        fake = game.G(z)
    real_out, fake_out = game.D(real), game.D(fake)
    game.metrics |= {
        "logit_real": float(ops.mean(real_out)),
        "logit_fake": float(ops.mean(fake_out)),
    }
    for name, net in (("gamma_g", game.G), ("gamma_d", game.D)):
        gamma = net.named_parameters().get("attention.gamma")
        if gamma is not None:
            game.metrics[name] = float(gamma)
    return ops.hinge_d_loss(real_out, fake_out)


def g_loss(game: Game, z: Tensor) -> Tensor:
    """-E D(G(z))."""
    return ops.hinge_g_loss(game.D(game.G(z)))


RECIPE = Recipe(
    "sagan",
    "arXiv:1805.08318",
    setup,
    alternating(d_loss, g_loss),
    Config,
    loss="hinge",
    reg="spectral norm",
    data="images",
)
