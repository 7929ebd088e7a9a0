"""DCGAN: convolutions with stride instead of pooling, batch norm, and Adam with a small beta1.

    L_D = E softplus(-D(x)) + E softplus(D(G(z)))
    L_G = E softplus(-D(G(z)))

Radford, Metz & Chintala, arXiv:1511.06434, section 3 and 4. Every default is the one of PyTorch's
DCGAN example, which follows the authors' code: kernel 4, batch norm everywhere but in G's last and
D's first layer, weights from N(0, 0.02), z from N(0, 1), G and D step on the same z.

Deviations from the paper: kernel 4 instead of 5 (as in the code), z normal instead of uniform.
Deviations from the example: D returns logits, so the loss is softplus and cannot overflow; sizes
other than 64 pixels have as many stages as they need.

Small sets, where D soon knows every image: ``noise`` adds Gaussian noise to all that D sees
(instance noise, arXiv:1610.04490), and ``half_life_kimg`` averages G; both are off by default. The
1,797 embedded digits at 16 pixels come out well with ``--batch 64 --lr 5e-4 --nz 24 --ngf 32
--noise 0.2 --half-life-kimg 10`` in 3,000 steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor
from ..gan import EMA, Game, Recipe, alternating, instance_noise, judge_both
from ..gan.networks import DCGANDiscriminator, DCGANGenerator
from ..kernels.arrays import Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; the defaults are those of PyTorch's DCGAN example.

    Attributes:
        batch: samples a step.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        nz: length of z.
        ngf: channels of G's last hidden layer.
        ndf: channels of D's first hidden layer.
        smooth: one-sided label smoothing: D's target for reals is 1 - smooth.
        noise: standard deviation of the noise on D's inputs, whose range is [-1, 1]; 0: none.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 128
    lr: float = 2e-4
    beta1: float = 0.5
    nz: int = 100
    ngf: int = 64
    ndf: int = 64
    smooth: float = 0.0
    noise: float = 0.0
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images of ``data_shape`` (C, S, S)."""
    G = DCGANGenerator(config.nz, data_shape, ngf=config.ngf)
    D = DCGANDiscriminator(data_shape, ndf=config.ndf)
    betas = (config.beta1, 0.999)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr, betas=betas),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def noisy(game: Game, x: Tensor) -> Tensor:
    """What D sees: x + noise, noise ~ N(0, config.noise^2) drawn anew for each call."""
    return instance_noise(x, std=game.config.noise)


def d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
    """E softplus(-D(x)) + E softplus(D(G(z))); batch norm takes reals and fakes separately."""
    fake = game.fake(z).detach()
    real_logit, fake_logit = judge_both(game.D, noisy(game, real), noisy(game, fake))
    game.observe(real_logit, fake_logit)
    return ops.logistic_d_loss(real_logit, fake_logit, smooth=game.config.smooth)


def g_loss(game: Game, z: Tensor) -> Tensor:
    """E softplus(-D(G(z))), the loss that does not saturate."""
    return ops.nonsaturating_g_loss(game.D(noisy(game, game.fake(z))))


RECIPE = Recipe(
    "dcgan",
    "arXiv:1511.06434",
    setup,
    alternating(d_loss, g_loss, share_z=True),
    Config,
    loss="non-saturating",
    reg="batch norm",
    data="images",
)
