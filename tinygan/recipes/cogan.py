"""CoGAN: a GAN for each of two domains, coupled by shared weights, that learn pairs from no pair.

    L_D = sum_k E softplus(-D_k(x_k)) + E softplus(D_k(G_k(z)))        k: domains, D logits
    L_G = sum_k E softplus(-D_k(G_k(z)))

Liu & Tuzel, arXiv:1606.07536, equation 2. All but G's last layer and D's first are shared, so that
G_1(z) and G_2(z) show the same in two ways: digits and their edges, digits and their negatives
(section 4). Domains are the labels: ``--data half-edges:digits``, ``half-inverted:PATH``, or a
folder of two folders; the sums are means over a batch of both. Samples come in pairs of one z.
Adam(2e-4, 0.5), batches of 128, z of 100 numbers, 25,000 steps, as in that section.

Deviations: DCGAN's layers, with ReLU for PReLU in G and no LeNet for D; z is normal, not uniform;
in training each domain's fakes have a z of their own; more than two domains are fine.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor
from ..gan import EMA, Game, Recipe, alternating_labelled, check_classes
from ..gan.networks import CoupledDiscriminator, CoupledGenerator
from ..kernels.arrays import Array, Shape

Pair = tuple[Tensor, Array]  # images and their domains


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step, of all domains together.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        num_classes: domains; 0: as many as a run's data have labels.
        nz: length of z.
        ngf: channels of G's last hidden layer.
        ndf: channels of D's first hidden layer.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 128
    lr: float = 2e-4
    beta1: float = 0.5
    num_classes: int = 0
    nz: int = 100
    ngf: int = 64
    ndf: int = 64
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the coupled players and their optimizers for images of ``data_shape``."""
    check_classes("cogan", config.num_classes)
    G = CoupledGenerator(config.nz, data_shape, domains=config.num_classes, ngf=config.ngf)
    D = CoupledDiscriminator(data_shape, domains=config.num_classes, ndf=config.ndf)
    betas = (config.beta1, 0.999)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr, betas=betas),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def d_loss(game: Game, real: Pair, fake: Pair) -> Tensor:
    """E softplus(-D_k(x_k)) + E softplus(D_k(G_k(z)))."""
    real_logit, fake_logit = game.D(*real), game.D(*fake)
    game.observe(real_logit, fake_logit)
    return ops.logistic_d_loss(real_logit, fake_logit)


def g_loss(game: Game, fake: Pair) -> Tensor:
    """E softplus(-D_k(G_k(z)))."""
    return ops.nonsaturating_g_loss(game.D(*fake))


RECIPE = Recipe(
    "cogan",
    "arXiv:1606.07536",
    setup,
    alternating_labelled(d_loss, g_loss),
    Config,
    labelled=True,
    loss="non-saturating",
    reg="shared weights",
    data="images of two domains",
    presets={"paper": Config(batch=128, nz=100, ngf=64, ndf=64)},
)
