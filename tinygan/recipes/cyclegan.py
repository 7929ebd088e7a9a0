"""CycleGAN: two generators translate both ways, and the way there and back must be the identity.

    L_D = 1/2 E (D_B(b) - 1)^2 + 1/2 E D_B(G(a))^2  +  the same for D_A, a and F(b)
    L_G = E (D_B(G(a)) - 1)^2 + E (D_A(F(b)) - 1)^2
          + lambda_cycle (E |F(G(a)) - a| + E |G(F(b)) - b|)
          + lambda_id lambda_cycle (E |G(b) - b| + E |F(a) - a|)

so no image of A needs a partner in B. Zhu, Park, Isola & Efros, arXiv:1703.10593, sections 3 to 5
and appendix 7: residual generators, D of patches of 70 pixels, lambda_cycle 10, lambda_id 0.5 as
for paintings, D judges fakes of a pool of 50, Adam with 2e-4 and beta1 0.5, batch 1, a rate that
falls to 0 over the second half, images enlarged from 256 to 286 pixels, cropped and mirrored.

``--data unpaired:A,B`` takes two sets, or one of two classes; a batch holds a and b in one array.
``--preset paper`` with ``--size 256`` is the paper's; the defaults are for small images on a CPU.
*Deviations*: bilinear enlargement; ``--decay-steps`` and not the run says when the rate is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from .. import ops, optim
from ..autograd import Tensor, grad
from ..errors import OptionError
from ..gan import EMA, Game, Recipe, ReplayPool, between_channels, domain_shapes, jitter, l1
from ..gan.game import Metrics
from ..gan.networks import PatchDiscriminator, ResidualGenerator
from ..kernels.arrays import Array, Shape

squares = partial(ops.gan_loss, kind="least_squares")  # 1/2 E (logit - target)^2


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: images of each domain a step.
        lr: learning rate of all players.
        beta1: decay of Adam's first moment.
        lambda_cycle: weight of the way there and back.
        lambda_id: weight over lambda_cycle of keeping images of the target's domain as they are.
        replay: old fakes kept for each D.
        decay_steps: step at which the rate is 0; it falls from half of it on. 0: it stays.
        jitter: pixels that images are enlarged by before they are cropped at random; 0: none.
        flip: mirror half of the images.
        ngf: channels of the generators' first layer.
        blocks: residual blocks; 6 for images of 128 pixels, 9 from 256 on.
        ndf: channels of the discriminators' first layer.
        layers: layers of stride 2 in D: 1, 2, 3 judge patches of 16, 34, 70 pixels.
        source_channels: channels of a; 0: as the data have them.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 1
    lr: float = 2e-4
    beta1: float = 0.5
    lambda_cycle: float = 10.0
    lambda_id: float = 0.5
    replay: int = 50
    decay_steps: int = 0
    jitter: int = 4
    flip: bool = True
    ngf: int = 16
    blocks: int = 3
    ndf: int = 16
    layers: int = 2
    source_channels: int = 0
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the four players for samples of ``data_shape``, an image of A and one of B."""
    a, b = domain_shapes("cyclegan", config.source_channels, data_shape)
    if config.lambda_id and a != b:
        raise OptionError(f"cyclegan: {a[0]} and {b[0]} channels: --lambda-id 0 or --channels fits")
    G, F = (
        ResidualGenerator(x, y[0], ngf=config.ngf, blocks=config.blocks)
        for x, y in ((a, b), (b, a))
    )
    sizes = {"ndf": config.ndf, "layers": config.layers}
    D_B, D_A = (PatchDiscriminator(x, affine=False, **sizes) for x in (b, a))
    betas = (config.beta1, 0.999)
    opt_g = optim.Adam([*G.parameters(), *F.parameters()], config.lr, betas=betas)
    opt_d = optim.Adam([*D_B.parameters(), *D_A.parameters()], config.lr, betas=betas)
    game = Game(G, D_B, opt_g, opt_d, nz=0, ema=EMA.maybe(G, config.half_life_kimg))
    game.translation = between_channels(a[0], back="F")
    game.extra |= {"F": F, "D_A": D_A}
    game.extra |= {"pool_a": ReplayPool(config.replay), "pool_b": ReplayPool(config.replay)}
    if config.decay_steps:
        decay = optim.LinearDecay(start=config.decay_steps // 2, total=config.decay_steps)
        game.schedules = [(opt_g, decay), (opt_d, decay)]
    return game


def g_loss(game: Game, ab: tuple[Tensor, Tensor], fakes: tuple[Tensor, Tensor]) -> Tensor:
    """L_G, of images a, b and fakes F(b), G(a)."""
    (a, b), (fake_a, fake_b), c = ab, fakes, game.config
    F, D_A = _others(game, "F", "D_A")
    fooled = 2.0 * (squares(game.D(fake_b), target=1.0) + squares(D_A(fake_a), target=1.0))
    cycle = l1(F(fake_b), a) + l1(game.G(fake_a), b)
    game.metrics["cycle"] = float(cycle)
    loss: Tensor = fooled + c.lambda_cycle * cycle
    if c.lambda_id:
        loss = loss + c.lambda_id * c.lambda_cycle * (l1(game.G(b), b) + l1(F(a), a))
    return loss


def d_loss(game: Game, ab: tuple[Tensor, Tensor], fakes: tuple[Tensor, Tensor]) -> Tensor:
    """L_D, of images a, b and fakes F(b), G(a), some of which are older."""
    (a, b), (fake_a, fake_b) = ab, fakes
    D_A, pool_a, pool_b = _others(game, "D_A", "pool_a", "pool_b")
    loss = squares(D_A(a), target=1.0) + squares(D_A(pool_a.query(fake_a)), target=0.0)
    return loss + squares(game.D(b), target=1.0) + squares(game.D(pool_b.query(fake_b)), target=0.0)


def step(game: Game, batches: Iterator[Array]) -> Metrics:
    """Descend both generators together, then both discriminators."""
    c = game.config
    a, b = (jitter(x, enlarge=c.jitter, flip=c.flip) for x in game.cut(Tensor(next(batches))))
    fakes = _others(game, "F")[0](b), game.G(a)
    loss_g = g_loss(game, (a, b), fakes)
    game.opt_g.step(grad(loss_g, game.opt_g.params))
    loss_d = d_loss(game, (a, b), fakes)
    game.opt_d.step(grad(loss_d, game.opt_d.params))
    return {"loss_d": float(loss_d), "loss_g": float(loss_g)}


def _others(game: Game, *names: str) -> list[Any]:
    return [game.extra[name] for name in names]


RECIPE = Recipe(
    "cyclegan",
    "arXiv:1703.10593",
    setup,
    step,
    Config,
    loss="least squares, cycle",
    reg="instance norm",
    data="unpaired",
    domains="any",
    presets={"paper": Config(ngf=64, blocks=9, ndf=64, layers=3, jitter=30)},
    unfit={"augment": "its D's judge patches", "pool": "--replay keeps a pool for each D"},
)
