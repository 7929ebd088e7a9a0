"""VAE: no game but a bound; an encoder and a decoder climb log p(x) together. To compare with.

    L_D = L_G = -ELBO = -E_q(z|x) log p(x|z) + beta KL(q(z|x) || N(0, 1))
    q(z|x) = N(mean(x), diag(variance(x))),   p(x|z) = N(G(z), sigma^2)

Kingma & Welling, arXiv:1312.6114, equation 10. The decoder is G, so all that samples a generator
samples it, and the encoder sits in D's place: two players with one loss. A sample is the mean G(z)
of p(x|z), without its noise. sigma says how a pixel weighs against a nat of KL: where it is small
the bound is better, and samples are worse, as the codes of data fill less of N(0, 1). For points it
is the likeliest one, the root mean square error of the batch (Rybkin et al., arXiv:2006.13202).
Metrics: ``recon`` and ``kl`` in nats a sample, and ``elbo``.

Deviations: DCGAN's networks and Adam(1e-3) in place of one hidden layer and Adagrad; a normal
p(x|z) for images too, not a Bernoulli one of pixels that are no bits. Points get three dense
layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .. import optim
from ..autograd import Tensor, grad
from ..errors import OptionError
from ..gan import EMA, Game, Recipe
from ..gan.game import Metrics
from ..gan.networks import NormalEncoder, generator_for
from ..gan.variational import draw, gaussian_nll, kl_to_standard_normal
from ..kernels.arrays import Array, Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; 0 stands for "by the data".

    Attributes:
        beta: weight of the KL term; other than 1 it is beta-VAE's.
        sigma: deviation of p(x|z); 0: 1 for images, whose pixels span -1 to 1, and for points the
            likeliest one.
        batch: samples a step.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        nz: length of z; 0: 20 for images, 2 for points.
        ngf: channels of the decoder's last hidden layer, images only.
        ndf: channels of the encoder's first hidden layer, images only.
        hidden: units of each of the three hidden layers, points only.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    beta: float = 1.0
    sigma: float = 0.0
    batch: int = 100
    lr: float = 1e-3
    beta1: float = 0.9
    nz: int = 0
    ngf: int = 32
    ndf: int = 32
    hidden: int = 128
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make decoder and encoder and their optimizers for images or points of ``data_shape``."""
    if config.beta < 0 or config.sigma < 0:
        raise OptionError(f"vae: beta {config.beta}, sigma {config.sigma}: 0 or more fit")
    nz, sigma = (20, 1.0) if len(data_shape) == 3 else (2, 0.0)
    config = replace(config, nz=config.nz or nz, sigma=config.sigma or sigma)
    G = generator_for(data_shape, nz=config.nz, ngf=config.ngf, hidden=config.hidden)
    E = NormalEncoder(data_shape, config.nz, ndf=config.ndf, hidden=config.hidden)
    betas = (config.beta1, 0.999)
    return Game(
        G,
        E,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(E.parameters(), config.lr, betas=betas),
        config.nz,
        config=config,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def bound(game: Game, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two terms -E_q log p(x|z) and KL, in nats a sample, with one z for each x."""
    mean, log_var = game.D(x)
    recon = gaussian_nll(x, game.G(draw(mean, log_var)), sigma=game.config.sigma)
    return recon, kl_to_standard_normal(mean, log_var)


def step(game: Game, batches: Iterator[Array]) -> Metrics:
    """Let both players descend on the one loss."""
    recon, kl = bound(game, Tensor(next(batches)))
    loss = recon + game.config.beta * kl
    of_g, of_e = game.opt_g.params, game.opt_d.params
    grads = grad(loss, [*of_g, *of_e])
    game.opt_g.step(grads[: len(of_g)])
    game.opt_d.step(grads[len(of_g) :])
    both = {"loss_d": float(loss), "loss_g": float(loss)}
    return both | {"recon": float(recon), "kl": float(kl), "elbo": float(-recon - kl)}


RECIPE = Recipe(
    "vae",
    "arXiv:1312.6114",
    setup,
    step,
    Config,
    loss="evidence lower bound",
    reg="KL to N(0, 1)",
    data="points, images",
)
