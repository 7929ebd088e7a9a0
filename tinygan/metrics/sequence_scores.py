"""Discriminative and predictive score of time series, by small GRUs trained after the fact.

    discriminative = |accuracy - 1/2| of a GRU that tells real series from fake ones on a held-out
                     fifth of both; 0 if they can't be told apart, 1/2 if they always can
    predictive     = mean |error| on real series of a GRU that was trained on fake ones to give the
                     last feature one step ahead from the others: train on synthetic, test on real

Source: Yoon, Jarrett & van der Schaar, *Time-series Generative Adversarial Networks*, NeurIPS 2019,
section 5 and supplement. Protocol, as in the authors' code: one GRU layer of D // 2 units (1 at
least), Adam at 1e-3 with batches of 128, 2,000 iterations to discriminate and 5,000 to predict; the
predictor ends in a sigmoid and is trained on the absolute error.
Code: https://github.com/jsyoon0823/TimeGAN/tree/master/metrics

*Deviations*: series are scaled here, by the least and largest values of the real ones, so that
every feature of the reals spans [0, 1]; the error is in that unit. A series of one feature predicts
itself. Weights are drawn by this library's rule, batches with replacement. The discriminator's
test parts are cut to one size, so that a guess scores 1/2. Scores vary from seed to seed: report
several.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import nn, ops, optim, random
from ..autograd import Tensor, grad
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from .classifier import in_batches

BATCH, LR = 128, 1e-3
TRAIN_SHARE = 0.8
DISCRIMINATIVE_ITERATIONS, PREDICTIVE_ITERATIONS = 2000, 5000


@dataclass(frozen=True)
class DiscriminativeScore:
    """How well real and generated series can be told apart.

    Attributes:
        score: |accuracy - 1/2|, 0 (not at all) to 1/2.
        accuracy: on the held-out series.
        n_test: held-out series, half of them generated.
    """

    score: float
    accuracy: float
    n_test: int


class _LastStep(nn.Module):
    """Series to one logit each, from the last state. Shapes: x (N, T, D) -> (N,)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        hidden = max(1, features // 2)
        self.gru = nn.GRU(features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits."""
        return ops.reshape(self.head(self.gru(x)[1][0]), (x.shape[0],))


class _EveryStep(nn.Module):
    """Series to a value in [0, 1] at each step. Shapes: x (N, T, D) -> (N, T)."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the predictions."""
        return ops.sigmoid(ops.reshape(self.head(self.gru(x)[0]), x.shape[:2]))


def discriminative_score(
    real: Array,
    fake: Array,
    *,
    iterations: int = DISCRIMINATIVE_ITERATIONS,
    batch: int = BATCH,
    lr: float = LR,
    seed: int = 0,
) -> DiscriminativeScore:
    """Train a GRU to tell real series from generated ones, and score it on held-out series.

    Shapes: real (N, T, D), fake (M, T, D).

    Args:
        real: real series, at least 5; never the ones that were used to choose the model.
        fake: generated series, at least 5.
        iterations: steps of Adam.
        batch: series of each kind a step.
        lr: Adam's learning rate.
        seed: of split, weights and batches.

    Raises:
        ShapeError: the shapes don't fit, or a set is too small.
        OptionError: a value is not finite, or iterations or batch is below 1.
    """
    real, fake = _scaled("discriminative_score", real, fake, iterations, batch)
    streams = random.Streams(seed)
    sets = [
        x[streams.stream(f"split/{k}").permutation(len(x))]
        for k, x in (("real", real), ("fake", fake))
    ]
    cuts = [round(TRAIN_SHARE * len(x)) for x in sets]
    with random.using(streams):
        net = _LastStep(real.shape[2])
        adam = optim.Adam(net.parameters(), lr)
        for _ in range(iterations):
            x = [
                x[streams.stream(f"batch/{k}").integers(batch, 0, cut)]
                for k, x, cut in zip(("real", "fake"), sets, cuts, strict=True)
            ]
            logit = net(Tensor(np.concatenate(x)))
            loss = ops.logistic_d_loss(logit[:batch], logit[batch:])
            adam.step(grad(loss, adam.params))
    n = min(len(x) - cut for x, cut in zip(sets, cuts, strict=True))
    logit_real, logit_fake = (
        in_batches(net, x[cut : cut + n]) for x, cut in zip(sets, cuts, strict=True)
    )
    accuracy = float(((logit_real > 0).mean() + (logit_fake <= 0).mean()) / 2.0)
    return DiscriminativeScore(abs(accuracy - 0.5), accuracy, 2 * n)


def predictive_score(
    real: Array,
    fake: Array,
    *,
    iterations: int = PREDICTIVE_ITERATIONS,
    batch: int = BATCH,
    lr: float = LR,
    seed: int = 0,
) -> float:
    """Train a one-step-ahead predictor on generated series; return its mean error on real ones.

    ``predictive_score(real, real)`` is the score that a perfect generator reaches.

    Shapes: real (N, T, D), fake (M, T, D) with T >= 2.

    Args:
        real: real series.
        fake: generated series.
        iterations: steps of Adam.
        batch: series a step.
        lr: Adam's learning rate.
        seed: of weights and batches.

    Returns:
        Mean absolute error, in units of the last feature's range over the real series.

    Raises:
        ShapeError: the shapes don't fit, or a set is too small.
        OptionError: a value is not finite, or iterations or batch is below 1.
    """
    real, fake = _scaled("predictive_score", real, fake, iterations, batch)
    streams, features = random.Streams(seed), real.shape[2]
    with random.using(streams):
        net = _EveryStep(max(1, features - 1), max(1, features // 2))
        adam = optim.Adam(net.parameters(), lr)
        for _ in range(iterations):
            x = fake[streams.stream("batch").integers(batch, 0, len(fake))]
            error = net(Tensor(_given(x))) - Tensor(_wanted(x))
            adam.step(grad(ops.mean(ops.abs(error)), adam.params))
    found = in_batches(net, _given(real))
    return float(np.abs(found.astype(np.float64) - _wanted(real)).mean())


def _given(x: Array) -> Array:
    """Return the features that predict, all but the last (the only one, if there is one)."""
    return x[:, :-1, : max(1, x.shape[2] - 1)]


def _wanted(x: Array) -> Array:
    return x[:, 1:, -1]


def _scaled(
    what: str, real: Array, fake: Array, iterations: int, batch: int
) -> tuple[Array, Array]:
    """Check both sets and scale them by the real one's range, feature by feature; float32."""
    if real.ndim != 3 or fake.ndim != 3 or real.shape[1:] != fake.shape[1:] or real.shape[1] < 2:
        raise ShapeError(
            f"{what}: real {real.shape}, fake {fake.shape}; (N, T, D), (M, T, D) with T >= 2 fit"
        )
    if min(len(real), len(fake)) < 5 or real.shape[2] < 1:
        raise ShapeError(f"{what}: real {real.shape}, fake {fake.shape}; 5 series are the least")
    if not (np.isfinite(real).all() and np.isfinite(fake).all()):
        raise OptionError(f"{what}: a value is not finite")
    if iterations < 1 or batch < 1:
        raise OptionError(f"{what}: iterations={iterations}, batch={batch}; 1 or more fit")
    low = real.min(axis=(0, 1)).astype(np.float64)
    span = real.max(axis=(0, 1)) - low
    span[span == 0.0] = 1.0
    scaled_real, scaled_fake = (((x - low) / span).astype(np.float32) for x in (real, fake))
    return scaled_real, scaled_fake
