"""pix2pix: G translates an image, D judges patches of it beside what it was made from, and L1.

    L_D = 1/2 (E softplus(-D(a, b)) + E softplus(D(a, G(a))))        means over patches too
    L_G = E softplus(-D(a, G(a))) + lambda_l1 E |b - G(a)|

Isola, Zhu, Zhou & Efros, arXiv:1611.07004, section 3 and appendix 6: a U-Net with dropout for
noise, also when it is used, D of patches of 70 pixels, lambda_l1 100, Adam with 2e-4 and beta1 0.5,
batch 1, images enlarged from 256 to 286 pixels, cropped and mirrored, L_D halved to slow D down.

``--data pairs:FOLDER`` takes pairs of images, in folders A and B or side by side, and
``--data edges:FOLDER`` makes the outlines of photographs for A. A batch holds a and b in one array,
the channels of a first. ``--preset paper`` with ``--size 256`` is the paper's; the defaults are
smaller, for images of 64 pixels on a CPU.

*Deviations*: instance norm, which is what batch norm does at the paper's batch size, also at larger
ones; bilinear enlargement; no change of the rate, as in the paper's shorter trainings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor, grad
from ..gan import EMA, Game, Recipe, between_channels, domain_shapes, jitter, l1
from ..gan.game import Metrics
from ..gan.networks import PatchDiscriminator, UNetGenerator
from ..kernels.arrays import Array, Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: pairs a step.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        lambda_l1: weight of E |b - G(a)|.
        dropout: probability of G's noise.
        jitter: pixels that images are enlarged by before they are cropped at random; 0: none.
        flip: mirror half of the pairs.
        ngf: channels of G's first layer.
        depth: halvings in G; 0: as many as the size allows, 8 at most.
        ndf: channels of D's first layer.
        layers: layers of stride 2 in D: 1, 2, 3 judge patches of 16, 34, 70 pixels.
        source_channels: channels of a; 0: as the data have them.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 1
    lr: float = 2e-4
    beta1: float = 0.5
    lambda_l1: float = 100.0
    dropout: float = 0.5
    jitter: int = 8
    flip: bool = True
    ngf: int = 16
    depth: int = 0
    ndf: int = 16
    layers: int = 2
    source_channels: int = 0
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players for samples of ``data_shape``, an image of A and one of B."""
    source, target = domain_shapes("pix2pix", config.source_channels, data_shape)
    G = UNetGenerator(source, target[0], ngf=config.ngf, depth=config.depth, dropout=config.dropout)
    D = PatchDiscriminator(data_shape, ndf=config.ndf, layers=config.layers)
    betas = (config.beta1, 0.999)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr, betas=betas),
        nz=0,
        ema=EMA.maybe(G, config.half_life_kimg),
        translation=between_channels(source[0]),
    )


def d_loss(game: Game, real: Tensor, fake: Tensor) -> Tensor:
    """1/2 (E softplus(-D(a, b)) + E softplus(D(a, G(a)))), of pairs that are one array each."""
    real_logit, fake_logit = game.D(real), game.D(fake.detach())
    game.observe(real_logit, fake_logit)
    loss: Tensor = 0.5 * ops.logistic_d_loss(real_logit, fake_logit)
    return loss


def g_loss(game: Game, b: Tensor, made: Tensor, fake: Tensor) -> Tensor:
    """E softplus(-D(a, G(a))) + lambda_l1 E |b - G(a)|."""
    distance = l1(made, b)
    game.metrics["l1"] = float(distance)
    loss: Tensor = ops.nonsaturating_g_loss(game.D(fake)) + game.config.lambda_l1 * distance
    return loss


def step(game: Game, batches: Iterator[Array]) -> Metrics:
    """Descend D, then G, on one batch and one G(a)."""
    c = game.config
    real = jitter(Tensor(next(batches)), enlarge=c.jitter, flip=c.flip)
    a, b = game.cut(real)
    made = game.G(a)
    fake = ops.concatenate([a, made], axis=1)
    loss_d = d_loss(game, real, fake)
    game.opt_d.step(grad(loss_d, game.opt_d.params))
    loss_g = g_loss(game, b, made, fake)
    game.opt_g.step(grad(loss_g, game.opt_g.params))
    return {"loss_d": float(loss_d), "loss_g": float(loss_g)}


RECIPE = Recipe(
    "pix2pix",
    "arXiv:1611.07004",
    setup,
    step,
    Config,
    loss="non-saturating, L1",
    reg="instance norm",
    data="pairs",
    domains="matched",
    presets={"paper": Config(ngf=64, ndf=64, layers=3, jitter=30)},
    unfit={"augment": "D sees pairs, and judges patches; --jitter moves both images of a pair"},
)
