"""WGAN: a critic that is kept Lipschitz by clipping its weights, trained close to its optimum.

    L_D = E D(G(z)) - E D(x),   then every weight of D is clipped to [-clip, clip]
    L_G = -E D(G(z))

Arjovsky, Chintala & Bottou, arXiv:1701.07875, algorithm 1: weights are clipped, not gradients. As
in the authors' ``main.py``: RMSProp(5e-5), since momentum hurt, clip 0.01, batch 64, z of 100
numbers, DCGAN's networks, and n_critic 5, but 100 in the first 25 steps of G and in every 500th.

Deviations: their code clips before a critic step, the algorithm and this recipe after it. Points
get three dense layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor, grad, no_grad
from ..gan import EMA, Game, Recipe, judge_both
from ..gan.game import Metrics
from ..gan.networks import players_for
from ..gan.regularisers import clip_weights
from ..kernels.arrays import Array, Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; the defaults are those of the authors' script.

    Attributes:
        batch: samples a critic step.
        lr: learning rate of both players.
        clip: bound of the absolute value of D's weights.
        n_critic: critic steps a generator step.
        n_critic_burst: critic steps in a burst.
        warm_up: the first so many generator steps are bursts.
        burst_every: so is every so many-th one; 0: no further bursts.
        nz: length of z.
        ngf: channels of G's last hidden layer, images only.
        ndf: channels of D's first hidden layer, images only.
        hidden: units of each of the three hidden layers, points only.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 64
    lr: float = 5e-5
    clip: float = 0.01
    n_critic: int = 5
    n_critic_burst: int = 100
    warm_up: int = 25
    burst_every: int = 500
    nz: int = 100
    ngf: int = 64
    ndf: int = 64
    hidden: int = 128
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images or points of ``data_shape``."""
    G, D = players_for(
        data_shape, nz=config.nz, ngf=config.ngf, ndf=config.ndf, hidden=config.hidden
    )
    return Game(
        G,
        D,
        optim.RMSProp(G.parameters(), config.lr),
        optim.RMSProp(D.parameters(), config.lr),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def critic_steps(config: Config, step: int) -> int:
    """Return how often the critic moves in generator step ``step``, counted from 1."""
    done = step - 1
    burst = done < config.warm_up or (config.burst_every and done % config.burst_every == 0)
    return config.n_critic_burst if burst else config.n_critic


def critic_step(game: Game, real: Tensor) -> float:
    """Move the critic and clip it; return L_D before the move, minus the estimate of W1."""
    with no_grad():
        fake = game.G(game.latent(real.shape[0]))
    loss = ops.wasserstein_d_loss(*judge_both(game.D, real, fake))
    game.opt_d.step(grad(loss, game.opt_d.params))
    clip_weights(game.opt_d.params, game.config.clip)
    return float(loss)


def step(game: Game, batches: Iterator[Array]) -> Metrics:
    """Move the critic as often as it is due, then G."""
    for _ in range(critic_steps(game.config, game.step)):
        real = Tensor(next(batches))
        loss_d = critic_step(game, real)
    loss_g = ops.wasserstein_g_loss(game.D(game.G(game.latent(real.shape[0]))))
    game.opt_g.step(grad(loss_g, game.opt_g.params))
    return {"loss_d": loss_d, "loss_g": float(loss_g), "w_distance": -loss_d}


RECIPE = Recipe(
    "wgan",
    "arXiv:1701.07875",
    setup,
    step,
    Config,
    loss="Wasserstein",
    reg="weight clipping",
    data="points, images",
)
