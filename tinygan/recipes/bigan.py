"""BiGAN: an encoder E learns to invert G, as D compares pairs (x, E(x)) with pairs (G(z), z).

    L_D = E softplus(-D(x, E(x))) + E softplus(D(G(z), z))
    L_GE = E softplus(D(x, E(x))) + E softplus(-D(G(z), z))          (D returns logits)

Donahue, Krahenbuhl & Darrell, arXiv:1605.09782, sections 2 and 3: at the optimum the pairs have one
distribution, and E is G's inverse almost everywhere. ALI (Dumoulin et al., arXiv:1606.00704) is the
same game with an E that draws its z: ``--stochastic``. Settings of the paper's
permutation-invariant MNIST: two layers of 1024 units each, z of 50 numbers, batch 128,
Adam(2e-4, 0.5), weight decay 2.5e-5; ``--decay-steps`` lowers the rates over the second half.

Deviations: z is normal, not uniform; batch norm in G and E but not in D; rates stay by default, and
fall in a line, not exponentially. Points get layers of 256 units and z of 2 numbers, as many as
data have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import cast

from .. import nn, ops, optim
from ..autograd import Tensor, grad
from ..gan import EMA, Game, Recipe
from ..gan.game import Metrics
from ..gan.networks import MLPDiscriminator, MLPEncoder, MLPGenerator, pair
from ..kernels.arrays import Array, Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; 0 stands for "by the data".

    Attributes:
        batch: samples a step.
        lr: learning rate of all players.
        beta1: decay of Adam's first moment.
        weight_decay: L2 penalty on all parameters.
        decay_steps: the step at which learning rates reach 0, from its half on; 0: they stay.
        nz: length of z; 0: 50 for images, 2 for points.
        hidden: units of each of the two hidden layers; 0: 1024 for images, 256 for points.
        stochastic: let E draw z from a normal distribution that depends on x, as in ALI.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 128
    lr: float = 2e-4
    beta1: float = 0.5
    weight_decay: float = 2.5e-5
    decay_steps: int = 0
    nz: int = 0
    hidden: int = 0
    stochastic: bool = False
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make G, E and D and their optimizers for images or points of ``data_shape``."""
    nz, units = (50, 1024) if len(data_shape) == 3 else (2, 256)
    config = replace(config, nz=config.nz or nz, hidden=config.hidden or units)
    hidden = (config.hidden,) * 2
    G = MLPGenerator(config.nz, data_shape, hidden=hidden, batch_norm=True)
    E = MLPEncoder(
        data_shape,
        config.nz,
        hidden=hidden,
        act=lambda: nn.LeakyReLU(0.2),
        batch_norm=True,
        stochastic=config.stochastic,
    )
    D = MLPDiscriminator(
        (prod(data_shape) + config.nz,), hidden=hidden, act=lambda: nn.LeakyReLU(0.2)
    )
    betas, decay = (config.beta1, 0.999), config.weight_decay
    both = [*G.parameters(), *E.parameters()]
    opt_g = optim.Adam(both, config.lr, betas=betas, weight_decay=decay)
    opt_d = optim.Adam(D.parameters(), config.lr, betas=betas, weight_decay=decay)
    ema = EMA.maybe(G, config.half_life_kimg)
    game = Game(G, D, opt_g, opt_d, config.nz, config=config, ema=ema, extra={"E": E})
    if config.decay_steps:
        half = optim.LinearDecay(start=config.decay_steps // 2, total=config.decay_steps)
        game.schedules = [(opt_g, half), (opt_d, half)]
    return game


def step(game: Game, batches: Iterator[Array]) -> Metrics:
    """Let D descend on the pairs, then G and E on the same pairs with the labels flipped."""
    E = cast(MLPEncoder, game.extra["E"])
    real = Tensor(next(batches))
    z = game.latent(real.shape[0])
    of_data, of_noise = pair(real, E(real)), pair(game.G(z), z)

    real_logit, fake_logit = game.D(of_data.detach()), game.D(of_noise.detach())
    game.observe(real_logit, fake_logit)
    loss_d = ops.logistic_d_loss(real_logit, fake_logit)
    game.opt_d.step(grad(loss_d, game.opt_d.params))

    loss_g = ops.logistic_d_loss(game.D(of_noise), game.D(of_data))
    game.opt_g.step(grad(loss_g, game.opt_g.params))
    return {"loss_d": float(loss_d), "loss_g": float(loss_g)}


RECIPE = Recipe(
    "bigan",
    "arXiv:1605.09782",
    setup,
    step,
    Config,
    loss="logistic on pairs",
    reg="none",
    data="points, images",
)
