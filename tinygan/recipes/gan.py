"""GAN: the original game of two dense networks, on images and on points in the plane.

    L_D = E softplus(-D(x)) + E softplus(D(G(z)))
    L_G = E softplus(-D(G(z)))                         (D returns logits)

Goodfellow et al., arXiv:1406.2661, algorithm 1, whose k is ``n_critic``; L_G is the form of section
3 that does not saturate. The networks follow the authors' ``mnist.yaml``: G has two layers of 1200
rectifiers, D two layers of 240 maxout units of 5 pieces with dropout, z has 100 numbers, a batch
100 samples, and k = 1.

Deviations: Adam(2e-4, 0.5) instead of SGD with momentum, which needs its schedule tuned to the
data; images end in a tanh, not a sigmoid, as data here lie in [-1, 1]; z is normal. The yaml is for
images. Points get three layers of 64 units, no dropout, z of 16 numbers, a learning rate of 1e-3
and k = 3: with k = 1, G runs from one mode of a ring to the next.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from .. import nn, ops, optim
from ..autograd import Tensor, no_grad
from ..gan import EMA, Game, Recipe, alternating
from ..gan.networks import MLPDiscriminator, MLPGenerator
from ..kernels.arrays import Shape

PIECES = 5  # of a maxout unit


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; where 0 stands for "by the data", images get the yaml's value.

    Attributes:
        batch: samples a step.
        lr: learning rate of both players; 0: 2e-4 for images, 1e-3 for points.
        beta1: decay of Adam's first moment.
        n_critic: D steps a G step; 0: 1 for images, 3 for points.
        nz: length of z; 0: 100 for images, 16 for points.
        layers: hidden layers of each player; 0: 2 for images, 3 for points.
        hidden_g: units of each hidden layer of G; 0: 1200 for images, 64 for points.
        hidden_d: units of each hidden layer of D; 0: 240 for images, 64 for points.
        dropout: probability of dropping a unit of D, images only.
        smooth: one-sided label smoothing: D's target for reals is 1 - smooth.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 100
    lr: float = 0.0
    beta1: float = 0.5
    n_critic: int = 0
    nz: int = 0
    layers: int = 0
    hidden_g: int = 0
    hidden_d: int = 0
    dropout: float = 0.5
    smooth: float = 0.0
    half_life_kimg: float = 0.0


FOR_IMAGES = Config(lr=2e-4, n_critic=1, nz=100, layers=2, hidden_g=1200, hidden_d=240)
FOR_POINTS = Config(lr=1e-3, n_critic=3, nz=16, layers=3, hidden_g=64, hidden_d=64)


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images or points of ``data_shape``."""
    images = len(data_shape) == 3
    by_data = asdict(FOR_IMAGES if images else FOR_POINTS)
    open_fields = [name for name, value in asdict(Config()).items() if value == 0]
    config = replace(config, **{k: getattr(config, k) or by_data[k] for k in open_fields})
    G = MLPGenerator(config.nz, data_shape, hidden=(config.hidden_g,) * config.layers)
    D = MLPDiscriminator(
        data_shape,
        hidden=(config.hidden_d,) * config.layers,
        act=lambda: nn.LeakyReLU(0.2),
        dropout=config.dropout if images else 0.0,
        pieces=PIECES if images else 1,
    )
    betas = (config.beta1, 0.999)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam(D.parameters(), config.lr, betas=betas),
        config.nz,
        config=config,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
    """E softplus(-D(x)) + E softplus(D(G(z)))."""
    with no_grad():
        fake = game.G(z)
    real_logit, fake_logit = game.D(real), game.D(fake)
    game.observe(real_logit, fake_logit)
    return ops.logistic_d_loss(real_logit, fake_logit, smooth=game.config.smooth)


def g_loss(game: Game, z: Tensor) -> Tensor:
    """E softplus(-D(G(z)))."""
    return ops.nonsaturating_g_loss(game.D(game.G(z)))


RECIPE = Recipe(
    "gan",
    "arXiv:1406.2661",
    setup,
    alternating(d_loss, g_loss),
    Config,
    loss="non-saturating",
    reg="dropout",
    data="points, images",
)
