"""BEGAN: D is an autoencoder, and a controller keeps its errors on reals and fakes in balance.

    L_D = L(x) - k L(G(z)),   L_G = L(G(z)),   L(v) = mean |D's reconstruction of v - v|
    k <- min(max(k + lambda_k (gamma L(x) - L(G(z))), 0), 1),   k = 0 at first
    M = L(x) + |gamma L(x) - L(G(z))|                           (the convergence measure)

Berthelot, Schumm & Metz, arXiv:1703.10717, sections 3.3 and 3.4: errors, not samples, are matched.
At balance L(G(z)) = gamma L(x): a low gamma gives clean, a high one varied samples. gamma 0.5 of
the paper's 0.3 to 0.7, lambda_k 0.001, batch 16, Adam(1e-4), codes and z of 64 numbers. M falls as
training goes on; it stands among the metrics as ``convergence``, beside ``k``. Codes have to be
much shorter than an image, or D copies whatever it sees and k stays at 0. A run of few thousand
steps needs ``--lambda-k 0.05``: at 0.001, errors of 0.1 move k by no more than 1e-4 a step.

Deviations: z is normal instead of uniform; the learning rate stays, where the paper halves it when
M stalls; Adam's beta1 is 0.5, of which the paper says nothing. Images only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .. import ops, optim
from ..autograd import Tensor, grad, no_grad
from ..gan import EMA, Game, Recipe, judge_both
from ..gan.game import Metrics
from ..gan.networks import BEGANDecoder, BEGANDiscriminator
from ..kernels.arrays import Array, Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        gamma: error on fakes over error on reals, at balance; 0 to 1.
        lambda_k: gain of the controller.
        nz: length of z, and of D's code.
        nf: channels of G, and of D's first layer.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 16
    lr: float = 1e-4
    beta1: float = 0.5
    gamma: float = 0.5
    lambda_k: float = 1e-3
    nz: int = 64
    nf: int = 64
    half_life_kimg: float = 0.0


@dataclass
class Balance:
    """The weight k of the fakes in L_D, saved with the game."""

    k: float = 0.0

    def update(self, *, real: float, fake: float, gamma: float, lambda_k: float) -> None:
        """Move k towards where ``fake`` is gamma times ``real``, within [0, 1]."""
        self.k = min(max(self.k + lambda_k * (gamma * real - fake), 0.0), 1.0)

    def state_dict(self) -> dict[str, Any]:
        """Return k."""
        return {"k": self.k}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned."""
        self.k = float(state["k"])


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players, their optimizers and the balance, for images of ``data_shape``."""
    G = BEGANDecoder(config.nz, data_shape, nf=config.nf)
    D = BEGANDiscriminator(data_shape, nf=config.nf, code=config.nz)
    betas = (config.beta1, 0.999)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr, betas=betas),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
        extra={"balance": Balance()},
    )


def step(game: Game, batches: Iterator[Array]) -> Metrics:
    """Move D, then G, then k."""
    balance, gamma = game.extra["balance"], game.config.gamma
    assert isinstance(balance, Balance)
    real = Tensor(next(batches))
    with no_grad():
        fake = game.G(game.latent(real.shape[0]))
    error_real, error_fake = (ops.mean(e) for e in judge_both(game.D, real, fake))
    loss_d = error_real - balance.k * error_fake
    game.opt_d.step(grad(loss_d, game.opt_d.params))

    loss_g = ops.mean(game.D(game.G(game.latent(real.shape[0]))))
    game.opt_g.step(grad(loss_g, game.opt_g.params))
    on_real, on_fake = float(error_real), float(loss_g)
    balance.update(real=on_real, fake=on_fake, gamma=gamma, lambda_k=game.config.lambda_k)
    convergence = on_real + abs(gamma * on_real - on_fake)
    return {
        "loss_d": float(loss_d),
        "loss_g": on_fake,
        "error_real": on_real,
        "k": balance.k,
        "convergence": convergence,
    }


RECIPE = Recipe(
    "began",
    "arXiv:1703.10717",
    setup,
    step,
    Config,
    loss="BEGAN",
    reg="none",
    data="images",
)
