"""Age-cGAN: a conditional GAN with an encoder changes one trait of an image and keeps the rest.

    L_D = E softplus(-D(x, y)) + E softplus(D(G(z, y~), y~)),      y~ uniform
    L_G = E softplus(-D(G(z, y~), y~)),   L_E = E |z - E(G(z, y~))|^2
    edit:   z_0 = E(x),   z* = argmin_z |f(G(z, y)) - f(x)|^2,     G(z*, y')

Antipov, Baccouche & Dugelay, arXiv:1702.01983: y is one of six ages there, f a recogniser of
faces, z of 100 numbers, Adam(2e-4, 0.5). Here y is any label that says a trait, the slant of
``--data slanted:digits`` say, and f any net; ``tinygan edit RUN IMAGE`` and ``edit`` below are the
way from images to images, ``gan.editing`` the search for z*.

Deviations: DCGAN's networks; E learns as G does, from each step's fakes, not afterwards from
100,000 of them; Adam searches z*, not L-BFGS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from .. import ops, optim
from ..autograd import Tensor, grad, no_grad
from ..gan import EMA, Game, Recipe, check_classes
from ..gan.editing import Features, find_latent
from ..gan.game import Metrics, evaluating
from ..gan.labelled import draw_labels, pair
from ..gan.networks import ConditionalDiscriminator, ConditionalGenerator, LatentEncoder
from ..kernels.arrays import Array, Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step.
        lr: learning rate of all three.
        beta1: decay of Adam's first moment.
        num_classes: traits; 0: as many as a run's data have labels.
        nz: length of z.
        ngf: channels of G's last hidden layer, images only.
        ndf: channels of D's and E's first hidden layer, images only.
        hidden: units of each of the three hidden layers, points only.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 64
    lr: float = 2e-4
    beta1: float = 0.5
    num_classes: int = 0
    nz: int = 100
    ngf: int = 64
    ndf: int = 64
    hidden: int = 128
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make G, D and E and their optimizers for images or points of ``data_shape``."""
    check_classes("age_editing", config.num_classes)
    traits, nz, ndf, hidden = config.num_classes, config.nz, config.ndf, config.hidden
    G = ConditionalGenerator(data_shape, num_classes=traits, nz=nz, ngf=config.ngf, hidden=hidden)
    D = ConditionalDiscriminator(data_shape, num_classes=traits, ndf=ndf, hidden=hidden)
    E = LatentEncoder(data_shape, nz, ndf=ndf, hidden=hidden)
    opt_g, opt_d, opt_e = (
        optim.Adam(net.parameters(), config.lr, betas=(config.beta1, 0.999)) for net in (G, D, E)
    )
    ema = EMA.maybe(G, config.half_life_kimg)
    return Game(G, D, opt_g, opt_d, nz, ema=ema, extra={"E": E, "opt_e": opt_e})


def step(game: Game, batches: Iterator[Any]) -> Metrics:
    """Let D descend, then G, then E on what G has just made."""
    x, y = pair(next(batches))
    n = x.shape[0]
    y_fake = draw_labels(game, n)
    with no_grad():
        fake = game.G(game.latent(n), y_fake)
    real_logit, fake_logit = game.D(x, y), game.D(fake, y_fake)
    game.observe(real_logit, fake_logit)
    loss_d = ops.logistic_d_loss(real_logit, fake_logit)
    game.opt_d.step(grad(loss_d, game.opt_d.params))

    y_fake, z = draw_labels(game, n), game.latent(n)
    fake = game.G(z, y_fake)
    loss_g = ops.nonsaturating_g_loss(game.D(fake, y_fake))
    game.opt_g.step(grad(loss_g, game.opt_g.params))

    E, opt_e = cast(LatentEncoder, game.extra["E"]), cast(optim.Adam, game.extra["opt_e"])
    loss_e = ops.mean(ops.square(E(fake.detach()) - z))
    opt_e.step(grad(loss_e, opt_e.params))
    return {"loss_d": float(loss_d), "loss_g": float(loss_g), "loss_e": float(loss_e)}


def latent_of(
    game: Game, x: Tensor, y: Array, features: Features, *, ema: bool = True, **search: Any
) -> Tensor:
    """Return z*, for which G makes given samples. Shapes: x (N, *data_shape), y (N,) -> (N, nz).

    Args:
        game: a trained one of this recipe.
        x: samples.
        y: their traits.
        features: see ``gan.editing.find_latent``.
        ema: take G's average, where there is one.
        **search: ``steps``, ``lr``, ``lambda_x`` and ``lambda_z`` of ``find_latent``.
    """
    E = cast(LatentEncoder, game.extra["E"])
    with evaluating(E), no_grad():
        start = E(x)
    return find_latent(game.generator(ema=ema), x, y, start, features=features, **search)


def edit(
    game: Game, x: Tensor, y: Array, target: Array, features: Features, **search: Any
) -> tuple[Tensor, Tensor]:
    """Return the samples as G makes them, and with the traits ``target``; see ``latent_of``.

    Shapes: x (N, *data_shape), y and target (N,) -> both as x.
    """
    z = latent_of(game, x, y, features, **search)
    with evaluating(game.generator()) as G, no_grad():
        return G(z, y), G(z, target)


RECIPE = Recipe(
    "age_editing",
    "arXiv:1702.01983",
    setup,
    step,
    Config,
    labelled=True,
    loss="non-saturating, latents",
    reg="none",
    data="labelled points, images",
    presets={"paper": Config(batch=64, nz=100, ngf=64, ndf=64)},
)
