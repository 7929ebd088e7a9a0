"""Unrolled GAN: G descends the loss of the D that it will meet K updates from now.

    psi_0 = psi,   psi_{k+1} = psi_k - eta grad_psi L_D(theta, psi_k)
    theta <- theta - lr d/dtheta L_G(theta, psi_K(theta)),   psi <- psi - lr_d grad_psi L_D

Metz et al., arXiv:1611.02163, equations 7 to 9. The inner updates are recorded, so the gradient of
theta flows through all K of them: a derivative of K chained derivatives. Settings of the authors'
ring of Gaussians: K = 5, z of 256 numbers, batch 512, two layers of 128 tanh units, Adam with
beta1 0.5, 1e-3 for G and 1e-4 for D.

Deviations: the inner updates are plain gradient steps of size eta, as in the equations; the
authors' notebook unrolls Adam instead. Images get the same dense networks with a tanh at the end.

The authors train for 25,000 steps. ``--batch 128 --nz 16 --hidden 64 --lr 3e-4 --lr-d 1e-3`` lies
on all eight modes of the ring after 1,500, half of its samples within a tenth of a centre.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .. import nn, ops, optim
from ..autograd import Tensor, grad
from ..gan import EMA, Game, Recipe
from ..gan.game import Metrics
from ..gan.networks import MLPDiscriminator, MLPGenerator
from ..kernels.arrays import Array, Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; the defaults are those of the authors' ring of Gaussians.

    Attributes:
        batch: samples a step.
        lr: learning rate of G.
        lr_d: learning rate of D.
        beta1: decay of Adam's first moment, both players.
        unrolling: K, updates of D that G looks ahead; 0 is the plain GAN.
        eta: step size of the inner updates.
        nz: length of z.
        hidden: units of each of the two hidden layers, both players.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 512
    lr: float = 1e-3
    lr_d: float = 1e-4
    beta1: float = 0.5
    unrolling: int = 5
    eta: float = 0.1
    nz: int = 256
    hidden: int = 128
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for points or images of ``data_shape``."""
    hidden = (config.hidden,) * 2
    G = MLPGenerator(config.nz, data_shape, hidden=hidden, act=nn.Tanh)
    D = MLPDiscriminator(data_shape, hidden=hidden, act=nn.Tanh)
    betas = (config.beta1, 0.999)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr_d, betas=betas),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def d_loss(game: Game, psi: dict[str, Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """L_D at the weights psi."""
    return ops.logistic_d_loss(
        nn.functional_call(game.D, psi, real), nn.functional_call(game.D, psi, fake)
    )


def look_ahead(game: Game, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Return psi_K, on the graph of the fakes: K recorded gradient steps of D."""
    trained = {id(p) for p in game.opt_d.params}  # all of D's, unless some are frozen
    psi = {n: p for n, p in game.D.named_parameters().items() if id(p) in trained}
    for _ in range(game.config.unrolling):
        loss = d_loss(game, psi, real, fake)
        steps = grad(loss, list(psi.values()), create_graph=True)
        psi = {n: p - game.config.eta * g for (n, p), g in zip(psi.items(), steps, strict=True)}
    return psi


def step(game: Game, batches: Iterator[Array]) -> Metrics:
    """Take both gradients at the same point, then update both players."""
    real = Tensor(next(batches))
    fake = game.G(game.latent(real.shape[0]))
    psi_k = look_ahead(game, real, fake)
    loss_g = ops.nonsaturating_g_loss(nn.functional_call(game.D, psi_k, fake))
    grads_g = grad(loss_g, game.opt_g.params)

    real_logit, fake_logit = game.D(real), game.D(fake.detach())
    game.observe(real_logit, fake_logit)
    loss_d = ops.logistic_d_loss(real_logit, fake_logit)
    game.opt_d.step(grad(loss_d, game.opt_d.params))
    game.opt_g.step(grads_g)
    return {"loss_d": float(loss_d), "loss_g": float(loss_g)}


RECIPE = Recipe(
    "unrolled",
    "arXiv:1611.02163",
    setup,
    step,
    Config,
    loss="non-saturating",
    reg="unrolling",
    data="points, images",
)
