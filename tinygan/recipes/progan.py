"""ProGAN: both players start at 4 x 4 pixels and grow, block by block, to the side of the data.

    L_D = E D(x~) - E D(x) + lambda E (||grad D(x_hat)||_2 - 1)^2 + drift E D(x)^2
    L_G = -E D(x~),   x~ = G(z),   x_hat = alpha x + (1 - alpha) x~,   alpha ~ U(0, 1) per sample

    growth:  0 for ``stage_kimg`` thousand images, then up by 1 over ``fade_kimg``, 1 for
             ``stage_kimg``, then up by 1 again, until the full side is reached

Karras et al., arXiv:1710.10196: section 2 (growth), section 4 (equalised learning rates, pixel
norm), section 3 (spread of a minibatch), appendix A: WGAN-GP with lambda 10 and drift 0.001,
Adam(1e-3, 0, 0.99), one critic step a G step, batch 16, an average of G with decay 0.999 a step,
which is a half-life of 11 kimg. At every stage the reals are averaged down to its side. ``growth``
is a function of the step alone, and stands among the metrics; the networks are in
``gan/networks/progan.py``. ``--no-grow`` trains the full networks from the start.

Both Adams begin anew whenever a block is added, as in the authors' code: gradients change their
size, and by old moments the first steps would be up to ten times too long.

Deviations: 10 + 10 kimg a stage in place of 600 + 600, and at most 128 channels in place of 512,
for small data; the spread is over groups of 4 (StyleGAN's) and not the whole batch. As in the paper
the penalty takes a logit for its own sample's, though the spread ties a group. Images only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor, no_grad
from ..errors import OptionError
from ..gan import EMA, Game, Recipe, alternating, gradient_penalty
from ..gan.game import Metrics
from ..gan.networks import ProGANDiscriminator, ProGANGenerator
from ..kernels.arrays import Array, Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step; a multiple of 4.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        beta2: decay of Adam's second moment.
        lambda_gp: lambda, the weight of the penalty.
        drift: weight of E D(x)^2, which keeps D near 0.
        nz: length of z.
        nf: channels at the data's side; twice as many at half the side, and so on.
        nf_max: channels of a layer, at most.
        stage_kimg: thousands of images for which a stage stays as it is; 0 or more.
        fade_kimg: thousands of images over which the next block fades in; 0: at once.
        grow: start small; False trains the full networks from the start.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 16
    lr: float = 1e-3
    beta1: float = 0.0
    beta2: float = 0.99
    lambda_gp: float = 10.0
    drift: float = 1e-3
    nz: int = 128
    nf: int = 32
    nf_max: int = 128
    stage_kimg: float = 10.0
    fade_kimg: float = 10.0
    grow: bool = True
    half_life_kimg: float = 11.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players, as small as they start, and their optimizers, for images."""
    if config.batch % 4 or config.stage_kimg < 0 or config.fade_kimg < 0:
        raise OptionError(
            f"progan: batch {config.batch}, stage_kimg {config.stage_kimg:g}, fade_kimg "
            f"{config.fade_kimg:g}: a multiple of 4 and numbers from 0 on fit"
        )
    G = ProGANGenerator(config.nz, data_shape, nf=config.nf, nf_max=config.nf_max)
    D = ProGANDiscriminator(data_shape, nf=config.nf, nf_max=config.nf_max)
    for player in (G, D):
        player.grow(growth_at(0.0, G.last, config))
    betas = (config.beta1, config.beta2)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr, betas=betas),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def growth_at(kimg: float, last: int, config: Config) -> float:
    """Return the growth, 0 to ``last``, after so many thousand images."""
    phase = config.stage_kimg + config.fade_kimg
    if not config.grow or kimg >= last * phase:
        return float(last)
    k, rest = divmod(kimg, phase)
    return k + max(0.0, rest - config.stage_kimg) / (config.fade_kimg or 1.0)


def d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
    """E D(x~) - E D(x) + lambda * gradient penalty + drift * E D(x)^2, at the stage's side."""
    G, D = _players(game)
    real = D.at_stage(real)
    with no_grad():
        fake = G.at_stage(z)
    judged = D(real)
    wasserstein = ops.wasserstein_d_loss(judged, D(fake))
    alpha = game.streams.stream("alpha").uniform(real.shape[0])
    penalty = gradient_penalty(D, real, fake, alpha=alpha)
    game.metrics |= {"w_distance": -float(wasserstein), "penalty": float(penalty)}
    drift = ops.mean(ops.square(judged))
    loss: Tensor = wasserstein + game.config.lambda_gp * penalty + game.config.drift * drift
    return loss


def g_loss(game: Game, z: Tensor) -> Tensor:
    """-E D(G(z))."""
    G, D = _players(game)
    return ops.wasserstein_g_loss(D(G.at_stage(z)))


_alternate = alternating(d_loss, g_loss)


def step(game: Game, batches: Iterator[Array]) -> Metrics:
    """Grow to where the step is, then move D and G; both optimizers begin anew at each stage."""
    players, config = _players(game), game.config
    growth = growth_at((game.step - 1) * config.batch / 1000, players[0].last, config)
    before, _ = players[0].stage()
    for player, optimizer in zip(players, (game.opt_g, game.opt_d), strict=True):
        player.grow(growth)
        if player.stage()[0] != before:
            optimizer.reset()
    return {"growth": growth} | _alternate(game, batches)


def _players(game: Game) -> tuple[ProGANGenerator, ProGANDiscriminator]:
    assert isinstance(game.G, ProGANGenerator)
    assert isinstance(game.D, ProGANDiscriminator)
    return game.G, game.D


RECIPE = Recipe(
    "progan", "arXiv:1710.10196", setup, step, Config,
    loss="Wasserstein", reg="gradient penalty, drift", data="images",
)  # fmt: skip
