"""WGAN-GP: a critic kept 1-Lipschitz by a penalty on the norm of its input gradient.

    L_D = E D(x~) - E D(x) + lambda E (||grad D(x_hat)||_2 - 1)^2
    L_G = -E D(x~),   x~ = G(z),   x_hat = alpha x + (1 - alpha) x~,   alpha ~ U(0, 1) per sample

Gulrajani et al., arXiv:1704.00028, algorithm 1. Images: DCGAN's networks without batch norm in the
critic (the penalty is per sample, section 4), Adam(1e-4, 0.5, 0.9) and batch 64 as in the authors'
``gan_mnist.py``. Points: three layers of 512 ReLU units, as in their ``gan_toy.py``.

Deviations: that script also has lambda 0.1, batches of 256 and z of 2 numbers; here the defaults
are as for images (``--lambda-gp 0.1 --batch 256 --nz 2`` gives its settings).
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor, no_grad
from ..gan import EMA, Game, Recipe, alternating, gradient_penalty
from ..gan.networks import players_for
from ..kernels.arrays import Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; the defaults are those of the authors' scripts.

    Attributes:
        batch: samples a critic step.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        beta2: decay of Adam's second moment.
        n_critic: critic steps a generator step.
        lambda_gp: lambda, the weight of the penalty.
        nz: length of z.
        ngf: channels of G's last hidden layer, images only.
        ndf: channels of the critic's first hidden layer, images only.
        hidden: units of each of the three hidden layers, points only.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 64
    lr: float = 1e-4
    beta1: float = 0.5
    beta2: float = 0.9
    n_critic: int = 5
    lambda_gp: float = 10.0
    nz: int = 128
    ngf: int = 64
    ndf: int = 64
    hidden: int = 512
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
    betas = (config.beta1, config.beta2)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr, betas=betas),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
    """E D(x~) - E D(x) + lambda * gradient penalty; also notes W1's estimate E D(x) - E D(x~)."""
    with no_grad():
        fake = game.G(z)
    wasserstein = ops.wasserstein_d_loss(game.D(real), game.D(fake))
    alpha = game.streams.stream("alpha").uniform(real.shape[0])
    penalty = gradient_penalty(game.D, real, fake, alpha=alpha)
    game.metrics |= {"w_distance": float(-wasserstein), "penalty": float(penalty)}
    loss: Tensor = wasserstein + game.config.lambda_gp * penalty
    return loss


def g_loss(game: Game, z: Tensor) -> Tensor:
    """-E D(G(z))."""
    return ops.wasserstein_g_loss(game.D(game.G(z)))


RECIPE = Recipe(
    "wgan_gp",
    "arXiv:1704.00028",
    setup,
    alternating(d_loss, g_loss),
    Config,
    loss="Wasserstein",
    reg="gradient penalty",
    data="points, images",
)
