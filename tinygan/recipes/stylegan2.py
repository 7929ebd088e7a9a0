"""StyleGAN2: styles scale filters, not features; path lengths are kept even; penalties are lazy.

    L_D = E softplus(-D(x)) + E softplus(D(x~)) + gamma / 2 E |grad D(x)|^2      every 16th step
    L_G = E softplus(-D(x~)) + lambda E (|J_w^T y| - a)^2                        every 4th step

Karras et al., arXiv:1912.04958: section 2 (demodulation in place of AdaIN), 3.1 (lazy
regularisation: a penalty in a move of its own at every k-th step, k times as strong, and Adam's
constants changed to suit; ``gan/lazy.py``), 3.2 (path lengths, ``gan/path_length.py``: y is noise
in image space, a the lengths' running mean, kept with decay 0.01), 4 (G adds images up, D has
residual blocks, nothing grows; ``gan/networks/stylegan2.py``). Settings of its configuration F:
Adam(2e-3, 0, 0.99), gamma 10, lambda 2, half a batch for path lengths, mixing 0.9, an average of G
with a half-life of 10 kimg. ``--psi``, ``--mix-styles``, ``--sefa`` and ``tinygan project`` work as
with ``stylegan``.

Deviations: 64 numbers in z and w and at most 64 channels in place of 512, for small data; samples
have fixed noise, so that they are functions of z; ``a`` is a constant of the gradient. R1 takes a
logit for its own sample's, though the spread ties a group of 4. Images only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from .. import ops
from ..autograd import Tensor, no_grad
from ..errors import OptionError
from ..gan import EMA, Game, Recipe, r1
from ..gan.game import Metrics
from ..gan.lazy import descend_lazily, lazy_adam
from ..gan.networks import StyleGAN2Discriminator, StyleGAN2Generator
from ..gan.path_length import PathLengthPenalty, path_lengths
from ..kernels.arrays import Array, Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step; a multiple of 4.
        lr: learning rate of both players; the mapping's is a hundredth.
        beta1: decay of Adam's first moment.
        beta2: decay of Adam's second moment.
        gamma_r1: gamma, weight of the penalty at reals; 0: none.
        r1_interval: steps from one such penalty to the next; 1: in every step.
        pl: lambda, weight of the path lengths' penalty; 0: none.
        pl_interval: steps from one such penalty to the next; 1: in every step.
        pl_shrink: path lengths are of the batch divided by this.
        mixing: share of the images whose later styles are of a second z, 0 to 1.
        nz: length of z.
        nw: length of w.
        mapping_layers: dense layers from z to w.
        nf: channels at the data's side; twice as many at half the side, and so on.
        nf_max: channels of a layer, at most.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 16
    lr: float = 2e-3
    beta1: float = 0.0
    beta2: float = 0.99
    gamma_r1: float = 10.0
    r1_interval: int = 16
    pl: float = 2.0
    pl_interval: int = 4
    pl_shrink: int = 2
    mixing: float = 0.9
    nz: int = 64
    nw: int = 64
    mapping_layers: int = 8
    nf: int = 16
    nf_max: int = 64
    half_life_kimg: float = 10.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images of ``data_shape`` (C, S, S)."""
    least = min(config.r1_interval, config.pl_interval, config.pl_shrink)
    if config.batch % 4 or min(config.gamma_r1, config.pl) < 0 or least < 1:
        raise OptionError(
            f"stylegan2: batch {config.batch}, gamma_r1 {config.gamma_r1:g}, pl {config.pl:g}, "
            f"intervals and pl_shrink from {least}: a multiple of 4, 0 or more, and 1 or more fit"
        )
    sizes = {"nf": config.nf, "nf_max": config.nf_max}
    mapping = {"nw": config.nw, "mapping_layers": config.mapping_layers}
    G = StyleGAN2Generator(config.nz, data_shape, mixing=config.mixing, **sizes, **mapping)
    D = StyleGAN2Discriminator(data_shape, **sizes)
    betas = (config.beta1, config.beta2)
    opt_d, opt_g = (
        lazy_adam(player.parameters(), config.lr, betas=betas, interval=k)
        for player, k in zip((D, G), intervals(config), strict=True)
    )
    ema, extra = EMA.maybe(G, config.half_life_kimg), {"path_length": PathLengthPenalty()}
    return Game(G, D, opt_g, opt_d, config.nz, ema=ema, extra={**extra})


def intervals(config: Config) -> tuple[int, int]:
    """Return the steps between two penalties of D, and of G; 0 where there is none."""
    return config.r1_interval * (config.gamma_r1 > 0), config.pl_interval * (config.pl > 0)


def d_loss(game: Game, real: Tensor) -> Tensor:
    """Both logistic terms."""
    with no_grad():
        fake = game.G(game.latent(real.shape[0]))
    real_logit, fake_logit = game.D(real), game.D(fake)
    game.observe(real_logit, fake_logit)
    return ops.logistic_d_loss(real_logit, fake_logit)


def g_loss(game: Game, n: int) -> Tensor:
    """E softplus(-D(g(f(z))))."""
    return ops.nonsaturating_g_loss(game.D(game.G(game.latent(n))))


def path_penalty(game: Game, n: int, shape: Shape) -> Tensor:
    """Lambda E (l - a)^2; notes the mean length."""
    G = cast(StyleGAN2Generator, game.G)
    n = max(1, n // game.config.pl_shrink)
    noise = game.streams.stream("path_length").normal((n, *shape))
    lengths = path_lengths(G.synthesis, G.styles(game.latent(n)), noise=noise)
    game.metrics["path_length"] = float(ops.mean(lengths))
    penalty: Tensor = cast(PathLengthPenalty, game.extra["path_length"])(lengths) * game.config.pl
    return penalty


def step(game: Game, batches: Iterator[Array]) -> Metrics:
    """Move D, then G, each along its loss and, where it is due, along its penalty."""
    real, done = Tensor(next(batches)), game.step - 1
    n, shape, gamma = real.shape[0], real.shape[1:], game.config.gamma_r1
    moves = (
        (game.opt_d, lambda: d_loss(game, real), lambda: r1(game.D, real, gamma_r1=gamma)),
        (game.opt_g, lambda: g_loss(game, n), lambda: path_penalty(game, n, shape)),
    )
    every = intervals(game.config)
    loss_d, loss_g = (
        descend_lazily(*move, interval=k, step=done) for move, k in zip(moves, every, strict=True)
    )
    return {"loss_d": loss_d, "loss_g": loss_g}


RECIPE = Recipe(
    "stylegan2", "arXiv:1912.04958", setup, step, Config,
    loss="non-saturating", reg="R1, path lengths, style mixing", data="images",
    presets={"paper": Config(batch=32, nz=512, nw=512, nf=32, nf_max=512)},  # 1024 pixels
)  # fmt: skip
