"""Consensus optimisation: both players also descend the norm of the game's gradient field.

    v(theta, psi) = (grad_theta L_G, grad_psi L_D),   L = ||v||^2 / 2
    (theta, psi) <- (theta, psi) - lr (v + gamma grad L)

Mescheder, Nowozin & Geiger, arXiv:1705.10461, section 4 and algorithm 2. Alone, v turns around an
equilibrium (its Jacobian has eigenvalues near the imaginary axis); grad L = v'^T v pulls towards
v = 0. Settings of the authors' toy: gamma 10, RMSProp(1e-4), batch 512, four layers of 16 units, z
of 16 numbers. For images they use gamma 0.1 to 10 on convolutional players.

Deviations: RMSProp is applied to the sum v + gamma grad L, as in their code. Images get dense
networks as wide as ``hidden`` says.

``--batch 128 --hidden 32 --lr 1e-3 --gamma 1`` reaches all eight modes of the ring in 600 steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor, grad
from ..gan import EMA, Game, Recipe, game_field
from ..gan.game import Metrics
from ..gan.networks import MLPDiscriminator, MLPGenerator
from ..kernels.arrays import Array, Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; the defaults are those of the authors' mixture of Gaussians.

    Attributes:
        batch: samples a step.
        lr: learning rate of both players.
        gamma: weight of the regulariser.
        nz: length of z.
        hidden: units of each of the four hidden layers; 0: 16 for points, 256 for images.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 512
    lr: float = 1e-4
    gamma: float = 10.0
    nz: int = 16
    hidden: int = 0
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for points or images of ``data_shape``."""
    hidden = (config.hidden or (256 if len(data_shape) == 3 else 16),) * 4
    G = MLPGenerator(config.nz, data_shape, hidden=hidden)
    D = MLPDiscriminator(data_shape, hidden=hidden)
    return Game(
        G,
        D,
        optim.RMSProp(G.parameters(), config.lr),
        optim.RMSProp(D.parameters(), config.lr),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def step(game: Game, batches: Iterator[Array]) -> Metrics:
    """Move both players at once along v + gamma grad L."""
    real = Tensor(next(batches))
    real_logit, fake_logit = game.D(real), game.D(game.G(game.latent(real.shape[0])))
    game.observe(real_logit, fake_logit)
    loss_d = ops.logistic_d_loss(real_logit, fake_logit)
    loss_g = ops.nonsaturating_g_loss(fake_logit)

    theta, psi = game.opt_g.params, game.opt_d.params
    v = game_field((loss_g, loss_d), (theta, psi), create_graph=True)
    half_norm = 0.5 * ops.sum(ops.stack([ops.sum(ops.square(vi)) for vi in v]))
    pull = grad(half_norm, [*theta, *psi])
    total = [vi.detach() + game.config.gamma * pi for vi, pi in zip(v, pull, strict=True)]

    game.opt_g.step(total[: len(theta)])
    game.opt_d.step(total[len(theta) :])
    return {"loss_d": float(loss_d), "loss_g": float(loss_g), "half_norm": float(half_norm)}


RECIPE = Recipe(
    "consensus",
    "arXiv:1705.10461",
    setup,
    step,
    Config,
    loss="non-saturating",
    reg="consensus",
    data="points, images",
)
