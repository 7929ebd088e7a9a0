"""InfoGAN: part of z is a code that can be read off the sample, so it finds what data vary in.

    L_D = E softplus(-D(x)) + E softplus(D(G(z))) + L_Q
    L_G = E softplus(-D(G(z))) + L_Q
    L_Q = lambda_y CE(Q_y(G(z)), y) + lambda_u E sum_i (u_i - Q_i(G(z)))^2 / 2

Chen et al., arXiv:1606.03657, equation 6: -L_Q bounds the mutual information I(y, u; G(z)) from
below, up to a constant, where Q guesses the codes: a category y of K and u of U(-1, 1), both part
of z (``gan/networks/codes.py``). Q shares all layers of D but the last, and learns with D. No label
is ever seen. Settings of the paper for MNIST: 10 categories, 2 continuous codes and 62 numbers of
noise; Adam with 2e-4 for D and Q and 1e-3 for G, beta1 0.5, lambda_y = 1.

Deviations: DCGAN's networks in place of two convolutions and a dense layer; points get three dense
layers. Q's normal density of u has variance 1, and lambda_u = 0.1, as in the authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from .. import ops, optim
from ..autograd import Tensor
from ..errors import OptionError
from ..gan import EMA, Game, Recipe, alternating
from ..gan.networks import CodeDiscriminator, CodeGenerator
from ..kernels.arrays import Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        categories: K, values of the categorical code; 2 or more.
        continuous: continuous codes.
        lambda_y: weight of the category's cross-entropy.
        lambda_u: weight of the continuous codes' squared error.
        batch: samples a step.
        lr_g: learning rate of G.
        lr_d: learning rate of D and Q.
        beta1: decay of Adam's first moment.
        nz: numbers of noise; z has ``categories + continuous + nz`` in all.
        ngf: channels of G's last hidden layer, images only.
        ndf: channels of D's first hidden layer, images only.
        hidden: units of each of the three hidden layers, points only.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    categories: int = 10
    continuous: int = 2
    lambda_y: float = 1.0
    lambda_u: float = 0.1
    batch: int = 64
    lr_g: float = 1e-3
    lr_d: float = 2e-4
    beta1: float = 0.5
    nz: int = 62
    ngf: int = 64
    ndf: int = 64
    hidden: int = 128
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images or points of ``data_shape``."""
    if config.categories < 2 or config.continuous < 0:
        raise OptionError(
            f"infogan: {config.categories} categories and {config.continuous} continuous codes: "
            "2 or more categories and 0 or more continuous codes fit"
        )
    codes = {"categories": config.categories, "continuous": config.continuous}
    G = CodeGenerator(data_shape, **codes, nz=config.nz, ngf=config.ngf, hidden=config.hidden)
    D = CodeDiscriminator(data_shape, **codes, ndf=config.ndf, hidden=config.hidden)
    betas = (config.beta1, 0.999)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr_g, betas=betas),
        optim.Adam(D.parameters(), config.lr_d, betas=betas),
        G.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def code_loss(game: Game, z: Tensor, category: Tensor, mean: Tensor) -> Tensor:
    """L_Q of Q's guesses for G(z); notes the share of categories that it guesses right."""
    y, u = cast(CodeGenerator, game.G).codes(z)
    game.metrics["code_accuracy"] = float(Tensor((category.data.argmax(1) == y).mean()))
    loss: Tensor = game.config.lambda_y * ops.cross_entropy(category, y)
    if u.shape[1]:
        error = ops.mean(ops.sum(ops.square(u - mean), 1))
        game.metrics["code_error"] = float(error)
        loss = loss + game.config.lambda_u / 2 * error
    return loss


def d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
    """Both logistic terms, and L_Q."""
    real_logit = game.D(real)
    fake_logit, category, mean = game.D(game.fake(z).detach(), guess=True)
    game.observe(real_logit, fake_logit)
    return ops.logistic_d_loss(real_logit, fake_logit) + code_loss(game, z, category, mean)


def g_loss(game: Game, z: Tensor) -> Tensor:
    """E softplus(-D(G(z))) + L_Q."""
    logit, category, mean = game.D(game.fake(z), guess=True)
    return ops.nonsaturating_g_loss(logit) + code_loss(game, z, category, mean)


RECIPE = Recipe(
    "infogan",
    "arXiv:1606.03657",
    setup,
    alternating(d_loss, g_loss, share_z=True),
    Config,
    loss="non-saturating, codes",
    reg="mutual information",
    data="points, images",
    unfit={"pool": "D guesses the codes of each fake, and old fakes come without theirs"},
)
