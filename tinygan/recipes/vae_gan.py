"""VAE-GAN: a VAE whose reconstructions are compared in D's features, and judged by D as fakes.

    L_D = E softplus(-D(x)) + E softplus(D(G(z))) + E softplus(D(G(z_x)))
    L_E = KL(q(z|x) || N(0, 1)) + L_rec,        z ~ N(0, 1),   z_x ~ q(z|x) = E(x)
    L_G = gamma L_rec + E softplus(-D(G(z))) + E softplus(-D(G(z_x)))
    L_rec = E -log N(h(x); h(G(z_x)), 1)        h: D's last hidden layer

Larsen, Sonderby, Larochelle & Winther, arXiv:1512.09300, algorithm 1. All three players descend on
one pass. gamma weighs content against style for G alone; D is not told of L_rec, or it would
flatten its features. RMSprop(3e-4), batch 64 and z of 128 numbers, as in the paper.

Deviations: DCGAN's networks with 4 x 4 kernels, so h is D's last layer but one rather than the
third of five; G climbs log D of fakes in place of descending log(1 - D), as the authors' code does.
Points get three dense layers and z of 2 numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from .. import ops, optim
from ..autograd import Tensor, grad
from ..errors import OptionError
from ..gan import EMA, Game, Recipe
from ..gan.game import Metrics
from ..gan.networks import NormalEncoder, features_and_logit, players_for
from ..gan.variational import draw, gaussian_nll, kl_to_standard_normal
from ..kernels.arrays import Array, Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; 0 stands for "by the data".

    Attributes:
        gamma: weight of the reconstruction in G's loss.
        batch: samples a step.
        lr: learning rate of all players.
        nz: length of z; 0: 128 for images, 2 for points.
        ngf: channels of G's last hidden layer, images only.
        ndf: channels of D's and E's first hidden layer, images only.
        hidden: units of each of the three hidden layers, points only.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    gamma: float = 1e-2
    batch: int = 64
    lr: float = 3e-4
    nz: int = 0
    ngf: int = 64
    ndf: int = 64
    hidden: int = 128
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make G, D and E and their optimizers for images or points of ``data_shape``."""
    if config.gamma < 0:
        raise OptionError(f"vae_gan: gamma {config.gamma}: 0 or more fits")
    config = replace(config, nz=config.nz or (128 if len(data_shape) == 3 else 2))
    hidden, ndf = config.hidden, config.ndf
    G, D = players_for(data_shape, nz=config.nz, ngf=config.ngf, ndf=ndf, hidden=hidden)
    E = NormalEncoder(data_shape, config.nz, ndf=ndf, hidden=hidden)
    return Game(
        G,
        D,
        optim.RMSprop(G.parameters(), config.lr),
        optim.RMSprop(D.parameters(), config.lr),
        config.nz,
        config=config,
        ema=EMA.maybe(G, config.half_life_kimg),
        extra={"E": E, "opt_e": optim.RMSprop(E.parameters(), config.lr)},
    )


def losses(game: Game, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return L_D, L_G and L_E of one pass; notes ``recon`` and ``kl`` in nats."""
    mean, log_var = cast(NormalEncoder, game.extra["E"])(x)
    of_x, of_noise = game.G(draw(mean, log_var)), game.G(game.latent(x.shape[0]))
    h_real, real = features_and_logit(game.D, x)
    h_rebuilt, rebuilt = features_and_logit(game.D, of_x)
    _, fake = features_and_logit(game.D, of_noise)
    game.observe(real, fake)
    recon = gaussian_nll(h_real, h_rebuilt, sigma=1.0)
    kl = kl_to_standard_normal(mean, log_var)
    game.metrics |= {"recon": float(recon), "kl": float(kl)}
    loss_d = ops.logistic_d_loss(real, fake) + ops.bce_with_logits(rebuilt, 0.0)
    style = ops.nonsaturating_g_loss(fake) + ops.nonsaturating_g_loss(rebuilt)
    return loss_d, game.config.gamma * recon + style, kl + recon


def step(game: Game, batches: Iterator[Array]) -> Metrics:
    """Let all three players descend, each on its own loss of the one pass."""
    loss_d, loss_g, loss_e = losses(game, Tensor(next(batches)))
    opt_e = cast(optim.Optimizer, game.extra["opt_e"])
    of_d = grad(loss_d, game.opt_d.params, retain_graph=True)
    of_g = grad(loss_g, game.opt_g.params, retain_graph=True)
    of_e = grad(loss_e, opt_e.params)
    game.opt_d.step(of_d)
    game.opt_g.step(of_g)
    opt_e.step(of_e)
    return {"loss_d": float(loss_d), "loss_g": float(loss_g), "loss_e": float(loss_e)}


RECIPE = Recipe(
    "vae_gan",
    "arXiv:1512.09300",
    setup,
    step,
    Config,
    loss="non-saturating, features",
    reg="KL to N(0, 1)",
    data="points, images",
    unfit={"augment": "D's features compare a sample with its reconstruction, as they are"},
)
