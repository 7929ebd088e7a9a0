"""PacGAN: D judges m samples at once, and a pack without variety gives the generator away.

    L_D = E softplus(-D(x_1 .. x_m)) + E softplus(D(G(z_1) .. G(z_m)))
    L_G = E softplus(-D(G(z_1) .. G(z_m)))             (D returns logits)

Lin, Khetan, Fanti & Oh, arXiv:1712.04086, sections 2 and 4. The samples of a pack are drawn apart
and joined along the first axis of a sample: numbers side by side for points, channels for images.
Nothing else changes, so ``--pack 1`` is the GAN that the paper compares with. Settings of the
authors' ring and grid: m = 2, z of 2 numbers, G with four layers of 400 rectifiers and batch norm,
D with three of 200 maxout units of 5 pieces, weights from N(0, 0.02), Adam(1e-4, 0.8), 100 packs a
step, 400,000 steps. Images get DCGAN's networks and settings, as in the paper's stacked digits.

Deviations: D steps first and G on the same z after it, where the authors' points move at once; G's
batch norm takes the statistics of all m batches together, theirs of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from .. import nn, ops, optim
from ..autograd import Tensor, grad
from ..errors import OptionError
from ..gan import EMA, Game, Recipe
from ..gan.game import Metrics
from ..gan.networks import (
    DCGANDiscriminator,
    DCGANGenerator,
    MLPDiscriminator,
    MLPGenerator,
)
from ..kernels.arrays import Array, Shape

PIECES = 5  # of a maxout unit


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; where 0 stands for "by the data", points get the value of the authors' toys.

    Attributes:
        batch: packs a step, so that a step sees batch * pack samples.
        pack: m, samples that D judges at once; 1 is the plain GAN.
        lr: learning rate of both players; 0: 2e-4 for images, 1e-4 for points.
        beta1: decay of Adam's first moment; 0: 0.5 for images, 0.8 for points.
        nz: length of z; 0: 100 for images, 2 for points.
        ngf: channels of G's last hidden layer, images only.
        ndf: channels of D's first hidden layer, images only.
        hidden_g: units of each of G's four hidden layers, points only.
        hidden_d: units of each of D's three hidden layers, points only.
        half_life_kimg: half-life of G's moving average in thousands of packs; 0: no average.
    """

    batch: int = 100
    pack: int = 2
    lr: float = 0.0
    beta1: float = 0.0
    nz: int = 0
    ngf: int = 64
    ndf: int = 64
    hidden_g: int = 400
    hidden_d: int = 200
    half_life_kimg: float = 0.0


def players(config: Config, data_shape: Shape) -> tuple[nn.Module, nn.Module]:
    """Make G, whose samples are single, and D, whose samples are packs."""
    packed = (config.pack * data_shape[0], *data_shape[1:])
    if len(data_shape) == 3:
        return (
            DCGANGenerator(config.nz, data_shape, ngf=config.ngf),
            DCGANDiscriminator(packed, ndf=config.ndf),
        )
    G = MLPGenerator(config.nz, data_shape, hidden=(config.hidden_g,) * 4, batch_norm=True)
    D = MLPDiscriminator(packed, hidden=(config.hidden_d,) * 3, pieces=PIECES)
    return G.apply(small), D.apply(small)


def small(module: nn.Module) -> None:
    """Draw the weights of a dense layer from N(0, 0.02), as the authors' toys do."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images or points of ``data_shape``.

    Raises:
        OptionError: ``pack`` is below 1.
    """
    if config.pack < 1:
        raise OptionError(f"pack {config.pack}: 1 or more samples fit")
    lr, beta1, nz = (2e-4, 0.5, 100) if len(data_shape) == 3 else (1e-4, 0.8, 2)
    config = replace(config, lr=config.lr or lr, beta1=config.beta1 or beta1, nz=config.nz or nz)
    G, D = players(config, data_shape)
    betas = (config.beta1, 0.999)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr, betas=betas),
        config.nz,
        config=config,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def join(samples: Sequence[Tensor]) -> Tensor:
    """Pack the n-th of each. Shapes: m of (N, C, ...) -> (N, m C, ...)."""
    return ops.concatenate(samples, 1)


def step(game: Game, batches: Iterator[Array]) -> Metrics:
    """Let D descend on packs of m batches, then G on the same z."""
    m = game.config.pack
    real = join([Tensor(next(batches)) for _ in range(m)])
    fake = join(ops.split(game.G(game.latent(m * real.shape[0])), m))
    real_logit, fake_logit = game.D(real), game.D(fake.detach())
    game.observe(real_logit, fake_logit)
    loss_d = ops.logistic_d_loss(real_logit, fake_logit)
    game.opt_d.step(grad(loss_d, game.opt_d.params))
    loss_g = ops.nonsaturating_g_loss(game.D(fake))
    game.opt_g.step(grad(loss_g, game.opt_g.params))
    return {"loss_d": float(loss_d), "loss_g": float(loss_g)}


RECIPE = Recipe(
    "pacgan",
    "arXiv:1712.04086",
    setup,
    step,
    Config,
    loss="non-saturating",
    reg="packing",
    data="points, images",
)
