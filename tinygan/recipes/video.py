"""Video: a film is one content and a walk of motions; one D judges frames, another films (MoCoGAN).

    L_D = E softplus(-D_V(x)) + E softplus(D_V(x~)) + E softplus(-D_I(x_t)) + E softplus(D_I(x~_t))
    L_G = E softplus(-D_V(x~)) + E softplus(-D_I(x~_t)),     t: a frame at random of each film
    x~_t = G_I(z_C, m_t),   m_t = GRU(m_{t-1}, eps_t),       z_C, m_0, eps_t normal

Tulyakov et al., arXiv:1707.04993, equations 3 and 6. Films are (T, H, W), ``--data moving:digits``;
pictures of a run show a film in each row, and its samples.gif plays them. z holds z_C, m_0 and all
eps_t, so a walk between two z goes between two films. z_C of 50 numbers, m of 10, batches of 32,
Adam(2e-4, 0.5) with weight decay 1e-5, as in the authors' code.

Deviations: no categorical content and so no L_I; DCGAN's sizes for frames and D_V's stride of 2 in
time, for films of 8 frames and more; ``noise`` on what the judges see, not on their layers, and off
by default. A motion of few numbers can't carry content, which z_C is for: 3 do for digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from .. import ops, optim
from ..autograd import Tensor
from ..gan import EMA, Game, Recipe, alternating, instance_noise
from ..gan.networks import FilmDiscriminator, FilmGenerator
from ..kernels.arrays import Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: films a step.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        weight_decay: L2 penalty on all parameters.
        nz: numbers of z_C, the content.
        motion: numbers of a motion m_t, and of eps_t.
        ngf: channels of G's last hidden layer.
        ndf: channels of both judges' first hidden layer.
        noise: deviation of the noise on what the judges see; 0: none.
        half_life_kimg: half-life of G's moving average in thousands of films; 0: no average.
    """

    batch: int = 32
    lr: float = 2e-4
    beta1: float = 0.5
    weight_decay: float = 1e-5
    nz: int = 50
    motion: int = 10
    ngf: int = 64
    ndf: int = 64
    noise: float = 0.0
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for films of ``data_shape``."""
    G = FilmGenerator(data_shape, content=config.nz, motion=config.motion, ngf=config.ngf)
    D = FilmDiscriminator(data_shape, ndf=config.ndf)
    betas, decay = (config.beta1, 0.999), config.weight_decay
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas, weight_decay=decay),
        optim.Adam(D.parameters(), config.lr, betas=betas, weight_decay=decay),
        G.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
    """Both judges' logistic losses; notes the sigmoids of D_V."""
    D = cast(FilmDiscriminator, game.D)
    std = game.config.noise
    real, fake = (instance_noise(x, std=std) for x in (real, game.fake(z).detach()))
    (real_film, real_frame), (fake_film, fake_frame) = D.both(real), D.both(fake)
    game.observe(real_film, fake_film)
    frames = ops.logistic_d_loss(real_frame, fake_frame)
    game.metrics["loss_d_frames"] = float(frames)
    return ops.logistic_d_loss(real_film, fake_film) + frames


def g_loss(game: Game, z: Tensor) -> Tensor:
    """E softplus(-D_V(x~)) + E softplus(-D_I(x~_t))."""
    fake = instance_noise(game.G(z), std=game.config.noise)
    of_film, of_frame = cast(FilmDiscriminator, game.D).both(fake)
    return ops.nonsaturating_g_loss(of_film) + ops.nonsaturating_g_loss(of_frame)


RECIPE = Recipe(
    "video",
    "arXiv:1707.04993",
    setup,
    alternating(d_loss, g_loss),
    Config,
    loss="non-saturating, films and frames",
    reg="weight decay",
    data="films",
    presets={"paper": Config(batch=32, nz=50, motion=10, ngf=64, ndf=64)},
    unfit={"augment": "it would take a film's frames for colours"},
)
