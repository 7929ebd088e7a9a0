"""BigGAN: a class embedding that all norms share, z in chunks, orthogonal weights, an average of G.

    L_D = E relu(1 - D(x, y)) + E relu(1 + D(x~, y~)),   x~ = G(z, y~),  y~ uniform
    L_G = -E D(x~, y~) + beta sum_W |W W^T * (1 - I)|^2,   W: G's weights as matrices

Brock, Donahue & Simonyan, arXiv:1809.11096. Samples come from the moving average of G, and get
better and more alike where z is drawn from a truncated normal (section 3.1): ``tinygan sample RUN
--truncation 0.5``. The penalty, equation 3, is there so that G bears that.

The paper's settings for 128 pixels: batch 2,048, learning rates 5e-5 for G and 2e-4 for D, two D
steps a G step, Adam's betas 0 and 0.999, beta 1e-4, an average that keeps 0.9999 a step. The
defaults, and the networks, are those of the first author's script for CIFAR-10: batch 50, 2e-4 for
both, four D steps.

Deviations: orthogonal initial weights and the penalty, as in the paper, where that script has
N(0, 0.02) and none; no attention, as in that script; batch norm keeps running statistics, where the
paper gathers them anew for sampling; G's batch is D's. Images only.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor
from ..gan import EMA, Game, Recipe, alternating_labelled, check_classes, orthogonal
from ..gan.networks import BigGANGenerator, ProjectionDiscriminator, orthogonal_init
from ..kernels.arrays import Array, Shape

Pair = tuple[Tensor, Array]  # samples and their classes


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; the defaults are for 32 pixels.

    Attributes:
        batch: samples a step.
        lr: learning rate of G.
        lr_d: learning rate of D.
        beta1: decay of Adam's first moment.
        beta2: decay of Adam's second moment.
        n_critic: D steps a G step.
        ortho: beta, weight of the penalty on G's weights; 0: none.
        num_classes: K, classes of the labels; 0: as many as a run's data have.
        shared: length of a class's vector in G.
        nz: length of z, a multiple of 4.
        ngf: channels of G's hidden layers.
        ndf: channels of D's hidden layers.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average. At
            batch 50, 347 keeps 0.9999 a step.
    """

    batch: int = 50
    lr: float = 2e-4
    lr_d: float = 2e-4
    beta1: float = 0.0
    beta2: float = 0.999
    n_critic: int = 4
    ortho: float = 1e-4
    num_classes: int = 0
    shared: int = 128
    nz: int = 128
    ngf: int = 256
    ndf: int = 256
    half_life_kimg: float = 347.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images of ``data_shape`` (C, S, S)."""
    check_classes("biggan", config.num_classes)
    classes = config.num_classes
    G = BigGANGenerator(
        config.nz, data_shape, num_classes=classes, ngf=config.ngf, shared=config.shared
    )
    D = orthogonal_init(ProjectionDiscriminator(data_shape, num_classes=classes, ndf=config.ndf))
    betas = (config.beta1, config.beta2)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr_d, betas=betas),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def d_loss(game: Game, real: Pair, fake: Pair) -> Tensor:
    """E relu(1 - D(x, y)) + E relu(1 + D(x~, y~)); notes the means of D."""
    real_out, fake_out = game.D(*real), game.D(*fake)
    game.metrics |= {
        "logit_real": float(ops.mean(real_out)),
        "logit_fake": float(ops.mean(fake_out)),
    }
    return ops.hinge_d_loss(real_out, fake_out)


def g_loss(game: Game, fake: Pair) -> Tensor:
    """-E D(x~, y~), and the penalty on G's weights."""
    loss = ops.hinge_g_loss(game.D(*fake))
    return loss + orthogonal(game.G) * game.config.ortho if game.config.ortho else loss


RECIPE = Recipe(
    "biggan",
    "arXiv:1809.11096",
    setup,
    alternating_labelled(d_loss, g_loss),
    Config,
    labelled=True,
    loss="hinge",
    reg="spectral norm, orthogonal",
    data="labelled images",
)
