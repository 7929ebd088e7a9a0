"""AC-GAN: D also tells the class, and G is to make samples whose class D tells.

    L_D = E softplus(-D(x)) + E softplus(D(x~)) + CE(C(x), y) + CE(C(x~), y~)
    L_G = E softplus(-D(x~)) + CE(C(x~), y~),          x~ = G(z, y~),  y~ uniform

Odena, Olah & Shlens, arXiv:1610.09585, equations 2 and 3; C are class logits from D's last hidden
layer. D learns the classes of fakes too, so samples become easy to classify, and within a class
they vary less than the data. Adam(2e-4, 0.5), batch 100 and z of 110 numbers, as in the appendix
for CIFAR-10.

Deviations: DCGAN's networks, so D has no dropout. Points get three dense layers.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor
from ..gan import EMA, Game, Recipe, alternating_labelled, check_classes
from ..gan.networks import ClassifyingDiscriminator, ConditionalGenerator
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

    batch: int = 100
    lr: float = 2e-4
    beta1: float = 0.5
    num_classes: int = 0
    nz: int = 110
    ngf: int = 64
    ndf: int = 64
    hidden: int = 128
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images or points of ``data_shape``."""
    check_classes("acgan", config.num_classes)
    classes, hidden = config.num_classes, config.hidden
    G = ConditionalGenerator(
        data_shape, num_classes=classes, nz=config.nz, ngf=config.ngf, hidden=hidden
    )
    D = ClassifyingDiscriminator(data_shape, num_classes=classes, ndf=config.ndf, hidden=hidden)
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
    """Both logistic terms and both cross-entropies; notes D's accuracy on the data's classes."""
    (x, y), (x_fake, y_fake) = real, fake
    (real_logit, real_class), (fake_logit, fake_class) = game.D(x), game.D(x_fake)
    game.observe(real_logit, fake_logit)
    game.metrics["accuracy"] = float(Tensor((real_class.data.argmax(1) == y).mean()))
    classes = ops.cross_entropy(real_class, y) + ops.cross_entropy(fake_class, y_fake)
    return ops.logistic_d_loss(real_logit, fake_logit) + classes


def g_loss(game: Game, fake: Pair) -> Tensor:
    """E softplus(-D(x~)) + CE(C(x~), y~)."""
    logit, classes = game.D(fake[0])
    return ops.nonsaturating_g_loss(logit) + ops.cross_entropy(classes, fake[1])


RECIPE = Recipe(
    "acgan",
    "arXiv:1610.09585",
    setup,
    alternating_labelled(d_loss, g_loss),
    Config,
    labelled=True,
    loss="non-saturating, classes",
    reg="none",
    data="labelled points, images",
)
