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

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor, grad, no_grad
from ..errors import OptionError
from ..gan import EMA, Game, Recipe
from ..gan.game import Metrics
from ..gan.networks import normalise_spectrally, players_for
from ..kernels.arrays import Array, Shape

# (what should be high, what should be low) -> loss
FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "standard": ops.logistic_d_loss,
    "least_squares": lambda up, down: (
        ops.mean(ops.square(up - 1.0)) + ops.mean(ops.square(down + 1.0))
    ),
    "hinge": ops.hinge_d_loss,
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


def relativistic_loss(form: str, up: Tensor, down: Tensor) -> Tensor:
    """Loss of the player who wants D high on ``up`` and low on ``down``; logits of each."""
    return FORMS[form](up - ops.mean(down), down - ops.mean(up))


def step(game: Game, batches: Iterator[Array]) -> Metrics:
    """Move D ``n_critic`` times, then G, on the reals that D has just seen."""
    form = game.config.form
    for _ in range(game.config.n_critic):
        real = Tensor(next(batches))
        with no_grad():
            fake = game.G(game.latent(real.shape[0]))
        real_logit, fake_logit = game.D(real), game.D(fake)
        game.observe(real_logit, fake_logit)
        loss_d = relativistic_loss(form, real_logit, fake_logit)
        game.opt_d.step(grad(loss_d, game.opt_d.params))
    with no_grad():
        real_logit = game.D(real)
    loss_g = relativistic_loss(form, game.D(game.G(game.latent(real.shape[0]))), real_logit)
    game.opt_g.step(grad(loss_g, game.opt_g.params))
    return {"loss_d": float(loss_d), "loss_g": float(loss_g)}


RECIPE = Recipe("relativistic", "arXiv:1807.00734", setup, step, Config)
