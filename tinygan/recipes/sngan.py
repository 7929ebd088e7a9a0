"""SNGAN: every layer of D is divided by its largest singular value, under the hinge loss.

    L_D = E relu(1 - D(x)) + E relu(1 + D(G(z))),   each weight of D is W / sigma(W)
    L_G = -E D(G(z))

Miyato, Kataoka, Koyama & Yoshida, arXiv:1802.05957; sigma by one power iteration a pass. Settings
of the authors' code for CIFAR-10: the residual networks of table 3 with 256 channels in G and 128
in D, Adam(2e-4, 0, 0.9), five D steps a G step, D's batch 64 and G's 128, and learning rates that
fall linearly to 0 over 50,000 steps.

Deviations: sigma is that of the weight as a matrix (O, C R S), as in their code, which isn't the
norm of the convolution. ``--arch dcgan`` takes DCGAN's networks, smaller than the paper's standard
CNN, for sides such as 28 pixels; points get three dense layers.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import nn, ops, optim
from ..autograd import Tensor, no_grad
from ..errors import OptionError
from ..gan import EMA, Game, Recipe, alternating
from ..gan.networks import (
    ResNetDiscriminator,
    ResNetGenerator,
    normalise_spectrally,
    players_for,
)
from ..kernels.arrays import Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; the defaults are those of the authors' code for CIFAR-10.

    Attributes:
        arch: resnet or dcgan, images only.
        batch: samples a D step.
        g_batch: samples a G step.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        beta2: decay of Adam's second moment.
        n_critic: D steps a G step.
        decay_steps: the step at which learning rates reach 0; 0: they stay.
        nz: length of z.
        ngf: channels of G's hidden layers (dcgan: of its last one), images only.
        ndf: channels of D's hidden layers (dcgan: of its first one), images only.
        hidden: units of each of the three hidden layers, points only.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    arch: str = "resnet"
    batch: int = 64
    g_batch: int = 128
    lr: float = 2e-4
    beta1: float = 0.0
    beta2: float = 0.9
    n_critic: int = 5
    decay_steps: int = 50_000
    nz: int = 128
    ngf: int = 256
    ndf: int = 128
    hidden: int = 128
    half_life_kimg: float = 0.0


def players(config: Config, data_shape: Shape) -> tuple[nn.Module, nn.Module]:
    """Make G and a D with spectral norm on every layer."""
    if config.arch not in ("resnet", "dcgan"):
        raise OptionError(f"no arch {config.arch!r}: use resnet or dcgan")
    nz, ngf, ndf = config.nz, config.ngf, config.ndf
    if config.arch == "resnet" and len(data_shape) == 3:
        return (
            ResNetGenerator(nz, data_shape, ngf=ngf),
            ResNetDiscriminator(data_shape, ndf=ndf),
        )
    G, D = players_for(data_shape, nz=nz, ngf=ngf, ndf=ndf, hidden=config.hidden, batch_norm=False)
    return G, normalise_spectrally(D)


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players, their optimizers and schedules for images or points of ``data_shape``."""
    G, D = players(config, data_shape)
    betas = (config.beta1, config.beta2)
    opt_g = optim.Adam(G.parameters(), config.lr, betas=betas)
    opt_d = optim.Adam(D.parameters(), config.lr, betas=betas)
    game = Game(G, D, opt_g, opt_d, config.nz, ema=EMA.maybe(G, config.half_life_kimg))
    if config.decay_steps:
        decay = optim.LinearDecay(start=0, total=config.decay_steps)
        game.schedules = [(opt_g, decay), (opt_d, decay)]
    return game


def d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
    """E relu(1 - D(x)) + E relu(1 + D(G(z))); notes the means of D(x) and D(G(z))."""
    with no_grad():
        fake = game.G(z)
    real_out, fake_out = game.D(real), game.D(fake)
    game.metrics |= {
        "logit_real": float(ops.mean(real_out)),
        "logit_fake": float(ops.mean(fake_out)),
    }
    return ops.hinge_d_loss(real_out, fake_out)


def g_loss(game: Game, z: Tensor) -> Tensor:
    """-E D(G(z)) over a batch of G's own size, whatever that of ``z`` is."""
    return ops.hinge_g_loss(game.D(game.G(game.latent(game.config.g_batch))))


RECIPE = Recipe(
    "sngan",
    "arXiv:1802.05957",
    setup,
    alternating(d_loss, g_loss),
    Config,
    loss="hinge",
    reg="spectral norm",
    data="points, images",
)
