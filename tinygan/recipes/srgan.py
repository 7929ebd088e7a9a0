"""SRGAN: enlarge photographs four times, by what a trained classifier sees and what D finds real.

    x = G(x_low),  x_low = bicubic(x_high) / 4
    first   L_G = E (x_high - x)^2                                        SRResNet
    then    L_D = E softplus(-D(x_high)) + E softplus(D(x))
            L_G = lambda_content E (phi(x_high) - phi(x))^2 + lambda_pixel E (x_high - x)^2
                  + lambda_adv E softplus(-D(x))

Ledig et al., arXiv:1609.04802, sections 2.1 (networks), 2.2 (losses) and 3.2 (training): batch 16
of 96 x 96 pixels (``--crop 96``), Adam(1e-4) for 10^6 steps on pixels, then for 10^5 as a GAN, and
10^5 more at 1e-5; lambda_adv 1e-3. phi is VGG19's conv 5_4 behind its ReLU, divided by 12.75, so
lambda_content is 0.006 and lambda_pixel 0 (``--preset paper``); the paper's SRGAN-MSE is 0 and 1.

Deviations: small networks and few steps by default, and as features those of an in-house net, which
is no VGG: ``--features`` names another, and each asks for a weight of its own (0.006 for VGG19,
1e-3 for ``squeeze``). In-house nets see too little of an image to hold its colours, so pixels count
as well (lambda_pixel 1). D's batch norm takes its statistics over reals and fakes apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from .. import ops, optim
from ..autograd import Tensor, no_grad
from ..errors import OptionError
from ..gan import EMA, Game, Recipe
from ..gan.judge import judge_both
from ..gan.networks import SRDiscriminator, SRResNet
from ..gan.super_resolution import ENLARGES, PhaseRates, frozen_copy, in_two_phases
from ..kernels.arrays import Shape
from ..metrics.perceptual import PerceptualNet, perceptual_net


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step.
        lr: learning rate of both players as a GAN.
        lr_pretrain: learning rate of G on pixels.
        beta1: decay of Adam's first moment.
        beta2: decay of Adam's second moment.
        pretrain: steps on pixels alone; a run needs more than these to become a GAN.
        decay_at: steps as a GAN after which lr falls to a tenth.
        features: net of the perceptual loss: vgg19:FILE, squeeze:FILE (weights of torchvision, or
            of Keras as .h5), digits_lenet, fashion_lenet, mnist_lenet.
        lambda_content: weight of the perceptual loss.
        lambda_pixel: weight of the loss of pixels as a GAN.
        lambda_adv: weight of G's loss against D.
        ngf: channels of G.
        blocks: residual blocks of G.
        ndf: channels of D's first layer.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 16
    lr: float = 1e-4
    lr_pretrain: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.999
    pretrain: int = 5000
    decay_at: int = 5000
    features: str = "digits_lenet"
    lambda_content: float = 0.1
    lambda_pixel: float = 1.0
    lambda_adv: float = 1e-3
    ngf: int = 32
    blocks: int = 4
    ndf: int = 32
    half_life_kimg: float = 0.0


PAPER = Config(
    pretrain=1_000_000, decay_at=100_000, features="vgg19", lambda_content=0.006,
    lambda_pixel=0.0, ngf=64, blocks=16, ndf=64,
)  # fmt: skip


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images of ``data_shape``, the enlarged ones'."""
    weights = (config.lambda_content, config.lambda_pixel, config.lambda_adv)
    if min(config.lr, config.lr_pretrain) <= 0 or min(weights) < 0:
        raise OptionError("srgan: lr and lr_pretrain above 0, and weights from 0 on fit")
    phi = perceptual_net(config.features)
    D = SRDiscriminator(data_shape, ndf=config.ndf)
    G = SRResNet(data_shape[0], ngf=config.ngf, blocks=config.blocks)
    betas = (config.beta1, config.beta2)
    opt_g = optim.Adam(G.parameters(), config.lr, betas=betas)
    opt_d = optim.Adam(D.parameters(), config.lr, betas=betas)
    rates = PhaseRates(config.pretrain, config.lr_pretrain / config.lr, (config.decay_at,), 0.1)
    return Game(
        G,
        D,
        opt_g,
        opt_d,
        nz=0,
        config=replace(config, features=phi.spec),
        ema=EMA.maybe(G, config.half_life_kimg),
        extra={"phi": phi, "psnr": frozen_copy(G)},
        schedules=[(opt_g, rates), (opt_d, rates)],
        translation=ENLARGES,
        notes=(phi.note,),
    )


def pixel_loss(fake: Tensor, real: Tensor) -> Tensor:
    """E (x_high - x)^2."""
    return ops.mean(ops.square(real - fake))


def d_loss(game: Game, real: Tensor, fake: Tensor) -> Tensor:
    """E softplus(-D(x_high)) + E softplus(D(x))."""
    real_logit, fake_logit = judge_both(game.D, real, fake)
    game.observe(real_logit, fake_logit)
    return ops.logistic_d_loss(real_logit, fake_logit)


def g_loss(game: Game, real: Tensor, fake: Tensor) -> Tensor:
    """The perceptual loss, that of pixels and D's, weighted."""
    phi = cast(PerceptualNet, game.extra["phi"])
    with no_grad():
        aim = phi(real, activated=True)
    content = ops.mean(ops.square(aim - phi(fake, activated=True)))
    adversarial = ops.nonsaturating_g_loss(game.D(fake))
    game.metrics |= {"content": float(content), "adversarial": float(adversarial)}
    of_pixels = game.config.lambda_pixel * pixel_loss(fake, real)
    loss = game.config.lambda_content * content + of_pixels + game.config.lambda_adv * adversarial
    return cast(Tensor, loss)


RECIPE = Recipe(
    "srgan", "arXiv:1609.04802", setup, in_two_phases(pixel_loss, d_loss, g_loss), Config,
    loss="non-saturating, perceptual", reg="pretraining on pixels", data="photographs",
    presets={"paper": PAPER},
    unfit={"curriculum": "it would blur the images that G is to sharpen"},
)  # fmt: skip
