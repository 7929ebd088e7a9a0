"""EBGAN: D is an autoencoder whose error is an energy, low on data and pushed up on fakes.

    L_D = E D(x) + E relu(m - D(G(z))),        D(x) = mean (Dec(Enc(x)) - x)^2
    L_G = E D(G(z)) + lambda_pt PT(Enc(G(z)))
    PT(S) = 1 / (N (N - 1)) sum_i sum_{j != i} cos(S_i, S_j)^2

Zhao, Mathieu & LeCun, arXiv:1609.03126, sections 2.1 to 2.4. The margin m stops D from pushing
fakes that are far off already; the pulling-away term (weight 0.1) makes the codes of a batch
orthogonal, so that its samples differ.

Deviations: the energy is a mean of squares over the entries of a sample, where the paper's norm,
and its margins of 10 (MNIST), 20 (CelebA) and 80 (LSUN), grow with the image. m is 0.1: a norm of
10 over 784 entries is (10 / 28)^2 = 0.13 an entry. It has to lie near the energy of data: at m = 1,
the error of a flat image, D learns to spoil fakes and G doesn't follow. DCGAN's networks and its
Adam(2e-4, 0.5). Images only.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops, optim
from ..autograd import Tensor, no_grad
from ..errors import OptionError
from ..gan import EMA, Game, Recipe, alternating, judge_both
from ..gan.networks import DCGANGenerator, EBGANDiscriminator
from ..kernels.arrays import Shape

EPS = 1e-12  # inside the root, whose slope at 0 is infinite


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step, 2 or more.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        margin: m, in units of squared error per entry; images lie in [-1, 1].
        lambda_pt: weight of the pulling-away term; 0 leaves it out.
        code: length of Enc(x).
        nz: length of z.
        ngf: channels of G's last hidden layer.
        ndf: channels of the encoder's first hidden layer.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 64
    lr: float = 2e-4
    beta1: float = 0.5
    margin: float = 0.1
    lambda_pt: float = 0.1
    code: int = 100
    nz: int = 100
    ngf: int = 64
    ndf: int = 64
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images of ``data_shape`` (C, S, S)."""
    if config.batch < 2:
        raise OptionError(f"batch {config.batch}: the pulling-away term compares 2 samples or more")
    G = DCGANGenerator(config.nz, data_shape, ngf=config.ngf)
    D = EBGANDiscriminator(data_shape, ndf=config.ndf, code=config.code)
    betas = (config.beta1, 0.999)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr, betas=betas),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def pulling_away(codes: Tensor) -> Tensor:
    """Mean squared cosine of two different samples' codes. Shapes: codes (N, A) -> ()."""
    n = codes.shape[0]
    length = ops.sqrt(ops.sum(ops.square(codes), 1, keepdims=True) + EPS)
    unit = codes / length
    cosine = unit @ unit.T
    own = ops.sum(ops.square(ops.sum(ops.square(unit), 1)))  # the diagonal: 1 each, but for EPS
    return (ops.sum(ops.square(cosine)) - own) / (n * (n - 1))


def d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
    """E D(x) + E relu(m - D(G(z))); notes both mean energies."""
    with no_grad():
        fake = game.G(z)
    real_energy, fake_energy = judge_both(game.D, real, fake)
    energy = ops.mean(real_energy)
    game.metrics |= {"energy_real": float(energy), "energy_fake": float(ops.mean(fake_energy))}
    return energy + ops.mean(ops.relu(game.config.margin - fake_energy))


def g_loss(game: Game, z: Tensor) -> Tensor:
    """E D(G(z)) + lambda_pt PT(Enc(G(z)))."""
    assert isinstance(game.D, EBGANDiscriminator)
    energy, codes = game.D.energy_and_code(game.G(z))
    loss: Tensor = ops.mean(energy) + game.config.lambda_pt * pulling_away(codes)
    return loss


RECIPE = Recipe(
    "ebgan",
    "arXiv:1609.03126",
    setup,
    alternating(d_loss, g_loss),
    Config,
    loss="EBGAN",
    reg="pull-away",
    data="images",
)
