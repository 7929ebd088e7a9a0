"""Text to image: D also tells apart images that are not what their captions say (GAN-CLS).

    L_D = E softplus(-D(x, t)) + (E softplus(D(x, t')) + E softplus(D(G(z, t), t))) / 2
    L_G = E softplus(-D(G(z, t), t)),          t: caption of x,  t' another,  z normal

Reed et al., arXiv:1605.05396, algorithm 1: with a third kind of pair, real images under the
captions of others, D can't content itself with what looks real. Captions are "two red sevens" of
``data.captions``, their numbers the labels of ``--data captioned:digits``; ``tinygan sample
RUN --text "two red sevens"`` makes what one says. Adam(2e-4, 0.5), batches of 64, z of 100 numbers
and text features of 128, as in section 5.

Deviations: captions are read by encoders that play along, see ``networks/captioned.py``; half of
the captions t' differ from t in one word alone, since of a hundred random ones few do; no
interpolation between captions (GAN-INT).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .. import ops, optim
from ..autograd import Tensor, grad, no_grad
from ..data.captions import CAPTIONS, mismatched
from ..errors import OptionError
from ..gan import EMA, Game, Recipe
from ..gan.game import Metrics
from ..gan.labelled import pair
from ..gan.networks import CaptionDiscriminator, CaptionGenerator
from ..kernels.arrays import Array, Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        num_classes: captions of the data; 0: as many as a run's data have.
        nz: length of z.
        ngf: channels of G's last hidden layer.
        ndf: channels of D's first hidden layer.
        features: length of what an encoder makes of a caption.
        hidden: units of the encoders.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 64
    lr: float = 2e-4
    beta1: float = 0.5
    num_classes: int = 0
    nz: int = 100
    ngf: int = 64
    ndf: int = 64
    features: int = 128
    hidden: int = 64
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for captioned images of ``data_shape``."""
    if config.num_classes != len(CAPTIONS):
        raise OptionError(
            f"text_to_image: {config.num_classes} classes are no captions: data of "
            f"{len(CAPTIONS)} captions fit, as --data captioned:digits"
        )
    text = {"features": config.features, "hidden": config.hidden}
    G = CaptionGenerator(config.nz, data_shape, ngf=config.ngf, **text)
    D = CaptionDiscriminator(data_shape, ndf=config.ndf, **text)
    betas = (config.beta1, 0.999)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr, betas=betas),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def d_loss(game: Game, x: Tensor, y: Array, fake: Tensor) -> Tensor:
    """The three kinds of pairs; notes how often D prefers the caption to another."""
    other = mismatched(y, game.streams.stream("captions"))
    (real_logit, other_logit), fake_logit = game.D(x, y, other), game.D(fake, y)
    game.observe(real_logit, fake_logit)
    game.metrics["matched"] = float(Tensor((real_logit.data > other_logit.data).mean()))
    wrong = ops.mean(ops.softplus(other_logit)) + ops.mean(ops.softplus(fake_logit))
    return ops.mean(ops.softplus(-real_logit)) + 0.5 * wrong


def step(game: Game, batches: Iterator[Any]) -> Metrics:
    """Let D descend on the three kinds of pairs, then G on its own."""
    x, y = pair(next(batches))
    n = x.shape[0]
    with no_grad():
        fake = game.G(game.latent(n), y)
    loss_d = d_loss(game, x, y, fake)
    game.opt_d.step(grad(loss_d, game.opt_d.params))
    loss_g = ops.nonsaturating_g_loss(game.D(game.G(game.latent(n), y), y))
    game.opt_g.step(grad(loss_g, game.opt_g.params))
    return {"loss_d": float(loss_d), "loss_g": float(loss_g)}


RECIPE = Recipe(
    "text_to_image",
    "arXiv:1605.05396",
    setup,
    step,
    Config,
    labelled=True,
    loss="non-saturating, mismatched captions",
    reg="none",
    data="captions",
    presets={"paper": Config(batch=64, nz=100, ngf=128, ndf=64, features=128)},
)
