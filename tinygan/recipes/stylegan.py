"""StyleGAN: z is mapped to a style w that sets scale and shift of every layer; noise fills details.

    L_D = E softplus(-D(x)) + E softplus(D(x~)) + gamma / 2 E |grad D(x)|^2
    L_G = E softplus(-D(x~)),   x~ = g(w_1 ... w_L),   w = f(z)

Karras, Laine & Aila, arXiv:1812.04948: a mapping f of 8 layers that learns 100 times slower, a
learned constant in place of z, AdaIN, noise of its own for each pixel, scaled for each channel. Of
90 % of the images in training the later layers take their style from a second z, from a random
layer on (section 3.1). Appendix C: non-saturating loss with R1, gamma 10, Adam(1e-3, 0, 0.99), an
average of G with a half-life of 10 kimg. The networks are in ``gan/networks/stylegan.py``.

``tinygan sample RUN --psi 0.7`` pulls styles towards their mean (appendix B), ``--mix-styles 2``
crosses two sets of them, ``tinygan interpolate RUN --sefa 4`` walks along directions of W, and
``tinygan project RUN IMAGE`` looks for the w of an image.

Deviations: the networks don't grow, as in StyleGAN2; 64 numbers in z and w and at most 64 channels
in place of 512, for small data; samples have fixed noise, so that they are functions of z. The
penalty takes a logit for its own sample's, though the spread ties a group of 4. Images only.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor, no_grad
from ..errors import OptionError
from ..gan import EMA, Game, Recipe, alternating, r1
from ..gan.networks import StyleGANDiscriminator, StyleGANGenerator
from ..kernels.arrays import Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step; a multiple of 4.
        lr: learning rate of both players; the mapping's is a hundredth.
        beta1: decay of Adam's first moment.
        beta2: decay of Adam's second moment.
        gamma_r1: gamma, weight of the penalty at reals; 0: none.
        mixing: share of the images whose later styles are of a second z, 0 to 1.
        nz: length of z.
        nw: length of w.
        mapping_layers: dense layers from z to w.
        nf: channels at the data's side; twice as many at half the side, and so on.
        nf_max: channels of a layer, at most.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 16
    lr: float = 1e-3
    beta1: float = 0.0
    beta2: float = 0.99
    gamma_r1: float = 10.0
    mixing: float = 0.9
    nz: int = 64
    nw: int = 64
    mapping_layers: int = 8
    nf: int = 16
    nf_max: int = 64
    half_life_kimg: float = 10.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images of ``data_shape`` (C, S, S)."""
    if config.batch % 4 or config.gamma_r1 < 0:
        raise OptionError(
            f"stylegan: batch {config.batch}, gamma_r1 {config.gamma_r1:g}: a multiple of 4 and a "
            "weight from 0 on fit"
        )
    sizes = {"nf": config.nf, "nf_max": config.nf_max}
    mapping = {"nw": config.nw, "mapping_layers": config.mapping_layers}
    G = StyleGANGenerator(config.nz, data_shape, mixing=config.mixing, **sizes, **mapping)
    D = StyleGANDiscriminator(data_shape, **sizes)
    betas = (config.beta1, config.beta2)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr, betas=betas),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
    """Both logistic terms, and R1."""
    with no_grad():
        fake = game.fake(z)
    real_logit, fake_logit = game.D(real), game.D(fake)
    game.observe(real_logit, fake_logit)
    loss = ops.logistic_d_loss(real_logit, fake_logit)
    if not game.config.gamma_r1:
        return loss
    penalty = r1(game.D, real, gamma_r1=game.config.gamma_r1)
    game.metrics["penalty"] = float(penalty)
    return loss + penalty


def g_loss(game: Game, z: Tensor) -> Tensor:
    """E softplus(-D(g(f(z))))."""
    return ops.nonsaturating_g_loss(game.D(game.fake(z)))


RECIPE = Recipe(
    "stylegan", "arXiv:1812.04948", setup, alternating(d_loss, g_loss), Config,
    loss="non-saturating", reg="R1, style mixing", data="images",
    presets={"paper": Config(batch=32, lr=3e-3, nz=512, nw=512, nf_max=512)},  # 1024 pixels
)  # fmt: skip
