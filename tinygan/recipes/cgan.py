"""cGAN: both players know the class, so that G makes what is asked for.

    L_D = E softplus(-D(x, y)) + E softplus(D(G(z, y~), y~)),   y~ uniform
    L_G = E softplus(-D(G(z, y~), y~))

Mirza & Osindero, arXiv:1411.1784, equation 2: y enters both networks. G gets it one-hot beside z,
D as K planes beside the image's channels, each of them 0 or 1 all over.

Deviations: DCGAN's networks and its Adam(2e-4, 0.5) in place of the paper's maxout layers and SGD;
y~ is uniform, not as frequent as in the data; L_G is the form that does not saturate. Points get
three dense layers.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor
from ..gan import EMA, Game, Recipe, alternating_labelled, check_classes
from ..gan.networks import ConditionalDiscriminator, ConditionalGenerator
from ..kernels.arrays import Array, Shape

Pair = tuple[Tensor, Array]  # samples and their classes


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        num_classes: K, classes of the labels; 0: as many as a run's data have.
        nz: length of z.
        ngf: channels of G's last hidden layer, images only.
        ndf: channels of D's first hidden layer, images only.
        hidden: units of each of the three hidden layers, points only.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 128
    lr: float = 2e-4
    beta1: float = 0.5
    num_classes: int = 0
    nz: int = 100
    ngf: int = 64
    ndf: int = 64
    hidden: int = 128
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images or points of ``data_shape``."""
    check_classes("cgan", config.num_classes)
    classes, hidden = config.num_classes, config.hidden
    G = ConditionalGenerator(
        data_shape, num_classes=classes, nz=config.nz, ngf=config.ngf, hidden=hidden
    )
    D = ConditionalDiscriminator(data_shape, num_classes=classes, ndf=config.ndf, hidden=hidden)
    betas = (config.beta1, 0.999)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr, betas=betas),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def d_loss(game: Game, real: Pair, fake: Pair) -> Tensor:
    """E softplus(-D(x, y)) + E softplus(D(x~, y~))."""
    real_logit, fake_logit = game.D(*real), game.D(*fake)
    game.observe(real_logit, fake_logit)
    return ops.logistic_d_loss(real_logit, fake_logit)


def g_loss(game: Game, fake: Pair) -> Tensor:
    """E softplus(-D(x~, y~))."""
    return ops.nonsaturating_g_loss(game.D(*fake))


RECIPE = Recipe(
    "cgan",
    "arXiv:1411.1784",
    setup,
    alternating_labelled(d_loss, g_loss),
    Config,
    labelled=True,
    loss="non-saturating",
    reg="none",
    data="labelled points, images",
)
