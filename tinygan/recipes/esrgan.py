"""ESRGAN: SRGAN without batch norm, against a D that compares, and on features in front of a ReLU.

    x = G(x_low),  x_low = bicubic(x_high) / 4,   r = D(x_high) - E D(x),   f = D(x) - E D(x_high)
    first   L_G = E |x_high - x|
    then    L_D = E softplus(-r) + E softplus(f)
            L_G = lambda_content E |phi(x_high) - phi(x)| + eta E |x_high - x|
                  + lambda_adv (E softplus(r) + E softplus(-f))
    last    theta = (1 - alpha) theta_first + alpha theta_then          (``--alpha`` of sample)

Wang et al., arXiv:1809.00219, sections 3.1 to 3.4 and 4.1: RRDB networks, relativistic average D,
lambda_adv 5e-3, eta 1e-2, lambda_content 1 with VGG19's conv 5_4 before its ReLU, batch 16 of
128 x 128 pixels (``--crop 128``). Adam(2e-4) on pixels for 10^6 steps, halved after each fifth of
them; then Adam(1e-4), halved at 50k, 100k, 200k and 300k of 400k steps: multiples 1, 2, 4 and 6 of
``decay_at``.

Deviations: small networks and few steps by default, and features of an in-house net, see ``srgan``
(lambda_content 0.01 for ``squeeze``), with eta 1. D is SRGAN's, its batch norm taken over reals and
fakes apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from .. import ops, optim
from ..autograd import Tensor, no_grad
from ..errors import OptionError
from ..gan import EMA, Game, Recipe
from ..gan.judge import judge_both
from ..gan.losses import get_loss
from ..gan.networks import RRDBNet, SRDiscriminator
from ..gan.super_resolution import ENLARGES, PhaseRates, frozen_copy, in_two_phases
from ..kernels.arrays import Shape
from ..metrics.perceptual import PerceptualNet, perceptual_net

AVERAGE = get_loss("relativistic")
DROPS = (1, 2, 4, 6)  # of the rate, in units of decay_at
PARTS = 5  # of the first phase


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step.
        lr: learning rate of both players as a GAN.
        lr_pretrain: learning rate of G on pixels, at first.
        beta1: decay of Adam's first moment.
        beta2: decay of Adam's second moment.
        pretrain: steps on pixels alone; a run needs more than these to become a GAN.
        decay_at: steps as a GAN after which lr halves; again after 2, 4 and 6 times as many.
        features: net of the perceptual loss: vgg19:FILE, squeeze:FILE (weights of torchvision, or
            of Keras as .h5), digits_lenet, fashion_lenet, mnist_lenet.
        lambda_content: weight of the perceptual loss.
        lambda_adv: weight of G's loss against D.
        eta: weight of the loss of pixels.
        ngf: channels of G.
        growth: channels of a dense block's inner convolutions.
        blocks: residual blocks of G, of three dense blocks each.
        ndf: channels of D's first layer.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 16
    lr: float = 1e-4
    lr_pretrain: float = 2e-4
    beta1: float = 0.9
    beta2: float = 0.999
    pretrain: int = 5000
    decay_at: int = 2000
    features: str = "digits_lenet"
    lambda_content: float = 1.0
    lambda_adv: float = 5e-3
    eta: float = 1.0
    ngf: int = 32
    growth: int = 16
    blocks: int = 2
    ndf: int = 32
    half_life_kimg: float = 0.0


PAPER = Config(
    pretrain=1_000_000,
    decay_at=50_000,
    features="vgg19",
    eta=1e-2,
    ngf=64,
    growth=32,
    blocks=23,
    ndf=64,
)


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images of ``data_shape``, the enlarged ones'."""
    weights = (config.lambda_content, config.lambda_adv, config.eta)
    if min(config.lr, config.lr_pretrain) <= 0 or min(weights) < 0:
        raise OptionError("esrgan: lr and lr_pretrain above 0, and weights from 0 on fit")
    phi = perceptual_net(config.features)
    D = SRDiscriminator(data_shape, ndf=config.ndf)
    G = RRDBNet(data_shape[0], ngf=config.ngf, growth=config.growth, blocks=config.blocks)
    betas = (config.beta1, config.beta2)
    opt_g = optim.Adam(G.parameters(), config.lr, betas=betas)
    opt_d = optim.Adam(D.parameters(), config.lr, betas=betas)
    drops = tuple(k * config.decay_at for k in DROPS)
    first = config.lr_pretrain / config.lr
    rates = PhaseRates(config.pretrain, first, drops, 0.5, parts=PARTS)
    return Game(
        G, D, opt_g, opt_d, nz=0,
        config=replace(config, features=phi.spec),
        ema=EMA.maybe(G, config.half_life_kimg),
        extra={"phi": phi, "psnr": frozen_copy(G)},
        schedules=[(opt_g, rates), (opt_d, rates)],
        translation=ENLARGES, notes=(phi.note,),
    )  # fmt: skip


def pixel_loss(fake: Tensor, real: Tensor) -> Tensor:
    """E |x_high - x|."""
    return ops.mean(ops.abs(real - fake))


def d_loss(game: Game, real: Tensor, fake: Tensor) -> Tensor:
    """E softplus(-r) + E softplus(f)."""
    real_logit, fake_logit = judge_both(game.D, real, fake)
    game.observe(real_logit, fake_logit)
    return AVERAGE.d_loss(real_logit, fake_logit)


def g_loss(game: Game, real: Tensor, fake: Tensor) -> Tensor:
    """The perceptual loss, that of pixels, and D's with reals and fakes exchanged, weighted."""
    phi = cast(PerceptualNet, game.extra["phi"])
    with no_grad():
        aim, real_logit = phi(real, activated=False), game.D(real)
    content = ops.mean(ops.abs(aim - phi(fake, activated=False)))
    adversarial = AVERAGE.g_loss(game.D(fake), real_logit)
    game.metrics |= {"content": float(content), "adversarial": float(adversarial)}
    of_pixels = game.config.eta * pixel_loss(fake, real)
    loss = game.config.lambda_content * content + of_pixels + game.config.lambda_adv * adversarial
    return cast(Tensor, loss)


RECIPE = Recipe(
    "esrgan", "arXiv:1809.00219", setup, in_two_phases(pixel_loss, d_loss, g_loss), Config,
    loss="relativistic average, perceptual", reg="pretraining on pixels", data="photographs",
    presets={"paper": PAPER},
    unfit={"curriculum": "it would blur the images that G is to sharpen"},
)  # fmt: skip
