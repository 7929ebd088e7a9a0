"""Semi-supervised GAN: D tells K classes of which a few labels are known, and fakes as class K + 1.

    L_D = CE(l(x_y), y) - E log p(real|x) / 2 - E log(1 - p(real|G(z))) / 2
    L_G = E_i (E h_i(x) - E h_i(G(z)))^2                       h: D's last hidden layer, units i
    p(real|x) = sigmoid(Z(x)),   Z = log sum_k exp l_k          l: K logits, the K+1st is 0

Salimans et al., arXiv:1606.03498, section 5 and equation 9: p(k|x) is a softmax of K + 1 logits, of
which one is too many, so that of fakes is 0. Data without labels push D's classes apart from
what G makes. Settings of the authors' code for MNIST: 10 labels a class, D of 1000-500-250-250-250
units with weight norm and noise, G of 500-500 softplus units with batch norm, Adam(3e-3, 0.5),
batches of 100, and a moving average of D that takes 1e-4 a step: ``classifier(game)``.

Deviations: pixels and noise on them span -1 to 1, twice as much; z is normal, not uniform; one
batch without labels serves D and G; the average starts at D's first weights, not at 0; G's last
layer has no weight norm, and its batch norm learns a scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from .. import nn, ops, optim
from ..autograd import Tensor, grad, no_grad
from ..gan import EMA, Game, Recipe, check_classes
from ..gan.few_labels import LabelPool
from ..gan.game import Metrics
from ..gan.labelled import pair
from ..gan.networks import MLPGenerator, NoisyClassifier
from ..kernels.arrays import Shape


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings.

    Attributes:
        labels_per_class: labels of each class that are seen; all others never are.
        batch: samples a step: so many labelled, so many others, so many fakes.
        lr: learning rate of both players.
        beta1: decay of Adam's first moment.
        num_classes: K, classes of the labels; 0: as many as a run's data have.
        nz: length of z.
        hidden_g: units of each of G's two hidden layers.
        hidden_d: units of D's first hidden layer; the next has half, the last three a quarter.
        noise_in: deviation of the noise on what D sees.
        noise: deviation of the noise on D's hidden layers.
        half_life_d_kimg: half-life of D's moving average in thousands of images.
        half_life_kimg: the same of G's; 0: no average.
    """

    labels_per_class: int = 10
    batch: int = 100
    lr: float = 3e-3
    beta1: float = 0.5
    num_classes: int = 0
    nz: int = 100
    hidden_g: int = 500
    hidden_d: int = 1000
    noise_in: float = 0.6
    noise: float = 0.5
    half_life_d_kimg: float = 693.0
    half_life_kimg: float = 0.0


def setup(config: Config, data_shape: Shape) -> Game:
    """Make the players, their optimizers and the pool of labelled examples."""
    check_classes("semi_supervised", config.num_classes)
    width, hidden_g = config.hidden_d, (config.hidden_g,) * 2
    G = MLPGenerator(config.nz, data_shape, hidden=hidden_g, act=nn.Softplus, batch_norm=True)
    D = NoisyClassifier(
        data_shape,
        config.num_classes,
        hidden=(width, width // 2, *(width // 4,) * 3),
        noise_in=config.noise_in,
        noise=config.noise,
    )
    pool = LabelPool(data_shape, num_classes=config.num_classes, per_class=config.labels_per_class)
    betas = (config.beta1, 0.999)
    return Game(
        G,
        D,
        optim.Adam(G.parameters(), config.lr, betas=betas),
        optim.Adam([p for p in D.parameters() if p.requires_grad], config.lr, betas=betas),
        config.nz,
        ema=EMA.maybe(G, config.half_life_kimg),
        extra={"labelled": pool, "ema_d": EMA(D, half_life_kimg=config.half_life_d_kimg)},
    )


def classifier(game: Game) -> NoisyClassifier:
    """Return the moving average of D, samples to class logits, in evaluation mode."""
    return cast(NoisyClassifier, cast(EMA, game.extra["ema_d"]).module.eval())


def d_loss(game: Game, labelled: tuple[Tensor, Any], x: Tensor, fake: Tensor) -> Tensor:
    """L_D, all three batches in one pass; notes the accuracy on the labels that are seen."""
    few, y = labelled
    of_few, of_x, of_fake = ops.split(game.D(ops.concatenate([few, x, fake])), 3)
    real_logit, fake_logit = ops.logsumexp(of_x, 1), ops.logsumexp(of_fake, 1)
    game.observe(real_logit, fake_logit)
    game.metrics["accuracy"] = float(Tensor((of_few.data.argmax(1) == y).mean()))
    return ops.cross_entropy(of_few, y) + 0.5 * ops.logistic_d_loss(real_logit, fake_logit)


def step(game: Game, batches: Iterator[Any]) -> Metrics:
    """Let D descend on labelled data, others and fakes, and G match the features of the others."""
    D, pool = cast(NoisyClassifier, game.D), cast(LabelPool, game.extra["labelled"])
    ema_d = cast(EMA, game.extra["ema_d"])
    x, y = pair(next(batches))
    n = x.shape[0]
    pool.offer(x.data, y)
    if game.step == 1:
        D.start_by(x)
        ema_d.module.load_state_dict(D.state_dict())
    with no_grad():
        fake = game.G(game.latent(n))
    loss_d = d_loss(game, pool.draw(n), x, fake)
    game.opt_d.step(grad(loss_d, game.opt_d.params))
    ema_d.update(D, n)

    with no_grad():
        target = ops.mean(D.features(x), 0)
    loss_g = ops.mean(ops.square(target - ops.mean(D.features(game.G(game.latent(n))), 0)))
    game.opt_g.step(grad(loss_g, game.opt_g.params))
    return {"loss_d": float(loss_d), "loss_g": float(loss_g)}


RECIPE = Recipe(
    "semi_supervised",
    "arXiv:1606.03498",
    setup,
    step,
    Config,
    labelled=True,
    loss="K+1, feature matching",
    reg="noise, weight norm",
    data="labelled points, images",
    unfit={"augment": "G matches the mean features of samples as they are"},
)
