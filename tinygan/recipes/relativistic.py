"""Relativistic average GANs: D says how much more real x is than the average fake.

    r = D(x) - E D(G(z)),   f = D(G(z)) - E D(x)
    standard        L_D = E softplus(-r) + E softplus(f)      L_G: r and f change places
    least_squares   L_D = E (r - 1)^2 + E (f + 1)^2           L_G: likewise
    hinge           L_D = E relu(1 - r) + E relu(1 + f)       L_G: likewise

Jolicoeur-Martineau, arXiv:1807.00734, section 4 and appendix: RaSGAN, RaLSGAN, RaHingeGAN. G needs
reals too: raising D(G(z)) alone isn't all, D(x) has to come down. Adam(2e-4, 0.5, 0.999), batch 32
and one D step a G step, as in the paper's first setting for CIFAR-10, with spectral norm in D.

Deviations: DCGAN's networks in place of the paper's standard CNN; G sees the reals of the last D
step again. Points get three dense layers.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import optim
from ..autograd import Tensor, no_grad
from ..errors import OptionError
from ..gan import EMA, Alternating, Game, Recipe
from ..gan.losses import get_loss
from ..gan.networks import normalise_spectrally, players_for
from ..kernels.arrays import Shape

FORMS = {
    "standard": get_loss("relativistic"),
    "least_squares": get_loss("relativistic_ls"),
    "hinge": get_loss("relativistic_hinge"),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        form: standard, least_squares or hinge.
        batch: samples a step.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        beta2: decay of Adam's second moment.
        n_critic: D steps a G step.
        nz: length of z.
        ngf: channels of G's last hidden layer, images only.
        ndf: channels of D's first hidden layer, images only.
        hidden: units of each of the three hidden layers, points only.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    form: str = "standard"
    batch: int = 32
    lr: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    n_critic: int = 1
    nz: int = 100
    ngf: int = 64
    ndf: int = 64
    hidden: int = 128
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images or points of ``data_shape``."""
    if config.form not in FORMS:
        raise OptionError(f"no form {config.form!r}: use {', '.join(FORMS)}")
    G, D = players_for(
        data_shape,
        nz=config.nz,
        ngf=config.ngf,
        ndf=config.ndf,
        hidden=config.hidden,
        batch_norm=False,
    )
    normalise_spectrally(D)
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
    """Loss of the logits over the mean of the others'."""
    with no_grad():
        fake = game.G(z)
    real_logit, fake_logit = game.D(real), game.D(fake)
    game.observe(real_logit, fake_logit)
    return FORMS[game.config.form].d_loss(real_logit, fake_logit)


def g_loss(game: Game, z: Tensor, real: Tensor) -> Tensor:
    """The same with reals and fakes exchanged; ``real`` is what D has just seen."""
    with no_grad():
        real_logit = game.D(real)
    return FORMS[game.config.form].g_loss(game.D(game.G(z)), real_logit)


RECIPE = Recipe(
    "relativistic",
    "arXiv:1807.00734",
    setup,
    Alternating(d_loss, g_loss, g_sees_real=True),
    Config,
    loss="relativistic average",
    reg="spectral norm",
    data="points, images",
)
