"""StarGAN: one G changes images into any of K domains; a D that tells domains is all the teacher.

    L_D = E D(x~) - E D(x) + lambda_gp E (||grad D(x_hat)||_2 - 1)^2 + lambda_cls CE(C(x), y)
    L_G = -E D(x~) + lambda_cls CE(C(x~), c) + lambda_rec E |x - G(x~, y)|,     x~ = G(x, c)

Choi et al., arXiv:1711.09020, equations 2 to 8: x of domain y, c uniform, C the domain's logits
from D's last layer; changing back must give the image again, so x~ keeps all but the domain.
Domains are the labels: ``--data painted:digits``, or a folder of folders. lambda_cls 1, lambda_rec
10, lambda_gp 10, five steps of D for one of G, Adam(1e-4, 0.5), batches of 16, rates that fall to 0
over the second half of 40,000 steps (200,000 of D), as in the authors' code: ``--decay-steps``.

``--lambda-id`` adds lambda_id E |x - G(x, y)|, as CycleGAN does: what is changed and back is the
same digit, but on the way it may be another one, which nothing else in L_G forbids.

Deviations: D's score is the mean of its patches, and the penalty holds that mean's slope, not the
sum's; no instance norm behind G's first layer, see ``networks/stargan.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .. import ops, optim
from ..autograd import Tensor, grad, no_grad
from ..gan import EMA, Game, Recipe, Translation, check_classes, gradient_penalty, l1
from ..gan.game import Metrics
from ..gan.labelled import draw_labels, pair
from ..gan.networks import StarDiscriminator, StarGenerator
from ..kernels.arrays import Array, Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        batch: samples a step of D.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        n_critic: steps of D for one of G.
        lambda_gp: weight of the gradient penalty.
        lambda_cls: weight of telling the domains.
        lambda_rec: weight of getting the image back.
        lambda_id: weight of leaving an image in its own domain as it is; 0 in the paper.
        decay_steps: the step at which learning rates reach 0, from its half on; 0: they stay.
        num_classes: K, domains; 0: as many as a run's data have labels.
        nz: 0: there is no z, G takes images.
        ngf: channels behind G's first layer.
        blocks: residual blocks of G.
        ndf: channels of D's first hidden layer.
        half_life_kimg: half-life of G's moving average in thousands of images; 0: no average.
    """

    batch: int = 16
    lr: float = 1e-4
    beta1: float = 0.5
    n_critic: int = 5
    lambda_gp: float = 10.0
    lambda_cls: float = 1.0
    lambda_rec: float = 10.0
    lambda_id: float = 0.0
    decay_steps: int = 0
    num_classes: int = 0
    nz: int = 0
    ngf: int = 64
    blocks: int = 6
    ndf: int = 64
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players and their optimizers for images of ``data_shape``."""
    check_classes("stargan", config.num_classes)
    domains = config.num_classes
    G = StarGenerator(data_shape, num_classes=domains, ngf=config.ngf, blocks=config.blocks)
    D = StarDiscriminator(data_shape, num_classes=domains, ndf=config.ndf)
    betas = (config.beta1, 0.999)
    opt_g = optim.Adam(G.parameters(), config.lr, betas=betas)
    opt_d = optim.Adam(D.parameters(), config.lr, betas=betas)
    game = Game(G, D, opt_g, opt_d, config.nz, ema=EMA.maybe(G, config.half_life_kimg))
    game.translation = Translation(lambda x: x, lambda x: x, domains=domains)
    if config.decay_steps:
        half = optim.LinearDecay(start=config.decay_steps // 2, total=config.decay_steps)
        game.schedules = [(opt_g, half), (opt_d, half)]
    return game


def d_loss(game: Game, x: Tensor, y: Array, fake: Tensor) -> Tensor:
    """L_D; notes the distance E D(x) - E D(x~) and how many reals' domains D tells."""
    config = game.config
    (real_score, real_domain), (fake_score, _) = game.D(x), game.D(fake)
    wasserstein = ops.wasserstein_d_loss(real_score, fake_score)
    alpha = game.streams.stream("alpha").uniform(x.shape[0])
    penalty = gradient_penalty(lambda x_hat: game.D(x_hat)[0], x, fake, alpha=alpha)
    accuracy = Tensor((real_domain.data.argmax(1) == y).mean())
    game.metrics |= {"w_distance": float(-wasserstein), "accuracy": float(accuracy)}
    classes = config.lambda_cls * ops.cross_entropy(real_domain, y)
    loss: Tensor = wasserstein + config.lambda_gp * penalty + classes
    return loss


def g_loss(game: Game, x: Tensor, y: Array, c: Array) -> Tensor:
    """L_G; notes the error of the way back."""
    config = game.config
    changed = game.G(x, c)
    score, domain = game.D(changed)
    back = l1(x, game.G(changed, y))
    game.metrics["cycle"] = float(back)
    classes = config.lambda_cls * ops.cross_entropy(domain, c)
    loss: Tensor = ops.wasserstein_g_loss(score) + classes + config.lambda_rec * back
    if config.lambda_id:
        loss = loss + config.lambda_id * l1(x, game.G(x, y))
    return loss


def step(game: Game, batches: Iterator[Any]) -> Metrics:
    """Let D descend ``n_critic`` times, then G on the last batch."""
    for _ in range(game.config.n_critic):
        x, y = pair(next(batches))
        with no_grad():
            fake = game.G(x, draw_labels(game, x.shape[0]))
        loss_d = d_loss(game, x, y, fake)
        game.opt_d.step(grad(loss_d, game.opt_d.params))
    loss_g = g_loss(game, x, y, draw_labels(game, x.shape[0]))
    game.opt_g.step(grad(loss_g, game.opt_g.params))
    return {"loss_d": float(loss_d), "loss_g": float(loss_g)}


RECIPE = Recipe(
    "stargan",
    "arXiv:1711.09020",
    setup,
    step,
    Config,
    labelled=True,
    loss="Wasserstein, domains, cycle",
    reg="gradient penalty",
    data="labelled images",
    presets={"paper": Config(decay_steps=40_000, ngf=64, blocks=6, ndf=64)},
)
