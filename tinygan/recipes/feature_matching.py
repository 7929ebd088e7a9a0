"""Feature matching: G makes batches whose mean hidden features in D are those of real ones.

    L_D = E softplus(-D(x)) + E softplus(D(G(z)))
    L_G = sum_l 1/n_l ||E h_l(x) - E h_l(G(z))||^2       (h_l: n_l hidden units of D, layer l)

Salimans et al., arXiv:1606.03498, section 3.1, with the last hidden layer alone. ``--layers all``
sums over all of them, as pix2pixHD's loss does (arXiv:1711.11585, equation 4); ``--moments K`` also
matches the central moments of order 2 to K, as in arXiv:1702.08811. Samples look worse than with
other losses while D's features classify well; it is no cure for mode collapse.

Deviations: the square is averaged over the units, so that layers of all sizes count alike; the
moments are compared by their squared distance and without weights. DCGAN's networks and its
Adam(2e-4, 0.5); points get three dense layers.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor, no_grad
from ..errors import OptionError
from ..gan import EMA, Alternating, Game, Recipe, judge_both
from ..gan.networks import (
    DCGANDiscriminator,
    MLPDiscriminator,
    hidden_features,
    players_for,
)
from ..kernels.arrays import Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        layers: last or all: which hidden layers of D are matched.
        moments: the highest moment that is matched; 1: means alone.
        batch: samples a step.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        nz: length of z.
        ngf: channels of G's last hidden layer, images only.
        ndf: channels of D's first hidden layer, images only.
        hidden: units of each of the three hidden layers, points only.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    layers: str = "last"
    moments: int = 1
    batch: int = 64
    lr: float = 2e-4
    beta1: float = 0.5
    nz: int = 100
    ngf: int = 64
    ndf: int = 64
    hidden: int = 128
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images or points of ``data_shape``."""
    if config.layers not in ("last", "all"):
        raise OptionError(f"layers {config.layers!r}: use last or all")
    if config.moments < 1:
        raise OptionError(f"moments {config.moments}: use 1 (means alone) or more")
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


def moments_of(h: Tensor, highest: int) -> list[Tensor]:
    """Return the mean over the batch and the central moments of order 2 to ``highest``."""
    mean = ops.mean(h, 0)
    return [mean, *(ops.mean((h - mean) ** k, 0) for k in range(2, highest + 1))]


def matching_loss(real: list[Tensor], fake: list[Tensor], *, moments: int = 1) -> Tensor:
    """Mean squared distance of the moments of each layer, summed; the reals' are constants."""
    terms = []
    for h_real, h_fake in zip(real, fake, strict=True):
        pairs = zip(moments_of(h_real.detach(), moments), moments_of(h_fake, moments), strict=True)
        for ours, theirs in pairs:
            terms.append(ops.mean(ops.square(ours - theirs)))
    return ops.sum(ops.stack(terms))


def matched(game: Game, x: Tensor) -> list[Tensor]:
    """Return the hidden layers of D that are matched."""
    assert isinstance(game.D, DCGANDiscriminator | MLPDiscriminator)
    hidden = hidden_features(game.D, x)
    return hidden if game.config.layers == "all" else hidden[-1:]


def d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
    """E softplus(-D(x)) + E softplus(D(G(z)))."""
    with no_grad():
        fake = game.G(z)
    real_logit, fake_logit = judge_both(game.D, real, fake)
    game.observe(real_logit, fake_logit)
    return ops.logistic_d_loss(real_logit, fake_logit)


def g_loss(game: Game, z: Tensor, real: Tensor) -> Tensor:
    """Distance of the features of fakes from those of the reals that D has just seen."""
    with no_grad():
        targets = matched(game, real)
    return matching_loss(targets, matched(game, game.G(z)), moments=game.config.moments)


RECIPE = Recipe(
    "feature_matching",
    "arXiv:1606.03498",
    setup,
    Alternating(d_loss, g_loss, g_sees_real=True),
    Config,
    loss="feature matching",
    reg="none",
    data="points, images",
)
