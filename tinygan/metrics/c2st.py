"""Can a classifier tell fakes from reals? Two-sample tests by classification.

C2ST (Lopez-Paz & Oquab, arXiv:1610.06545): train a classifier on half of the pooled samples, count
its right answers on the other half. If both sets have one distribution, it guesses:

    right ~ Binomial(n_test, 1/2)

which gives the p-value; 0.5 is the accuracy of a perfect generator. Classifiers: ``knn``, k nearest
neighbours with k the root of the training points, made odd; ``mlp``, 20 hidden ReLU, 100 epochs of
Adam (both the paper's); ``logistic``, the linear probe.

The leave-one-out 1-NN accuracy (Xu et al., arXiv:1806.07755) needs no training: each point is
classified by its nearest other one. Its parts tell why: fakes all right and reals all wrong is a
collapse, both far below 1/2 are copies of the reals.

Protocol: the larger set is thinned to the size of the smaller at random; training and test half
hold as many fakes as reals, so that a classifier that always says one thing scores exactly 1/2.
*Deviation*: the paper splits the pool without regard to labels; with balanced halves the count's
variance is at most n / (n - 1) times the binomial one, and less for a classifier that favours one
answer. Features are standardised by the training half.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Literal

import numpy as np

from .. import nn, random
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from .binomial import AccuracyTest, accuracy_test
from .checks import check_pair
from .classifier import fit_classes, in_batches
from .neighbours import nearest
from .probe import fit_probe, vote

Method = Literal["knn", "logistic", "mlp"]
METHODS: tuple[Method, ...] = ("knn", "logistic", "mlp")
HIDDEN, EPOCHS, LR = 20, 100, 1e-3


def c2st(real: Array, fake: Array, *, method: Method = "knn", seed: int = 0) -> AccuracyTest:
    """Test whether two sets of features have one distribution, by a classifier's accuracy.

    Shapes: real (N, d), fake (M, d).

    Args:
        real: features of real samples, or any first sample; at least 4.
        fake: features of generated samples, or any second sample; at least 4.
        method: ``knn``, ``logistic`` or ``mlp``.
        seed: of the thinning, the split and the net.

    Returns:
        Accuracy on the test half, its 95 % interval, and the p-value of guessing.

    Raises:
        ShapeError: the shapes don't fit, or a set has fewer than 4 rows.
        OptionError: the method is unknown, or a feature is not finite.
    """
    if method not in METHODS:
        raise OptionError(f"c2st method {method!r}: {', '.join(METHODS)} fit")
    real, fake = _equal_parts("c2st", real, fake, least=4, seed=seed)
    half = len(real) // 2
    x_train = np.concatenate([real[:half], fake[:half]])
    x_test = np.concatenate([real[half:], fake[half:]])
    mean: Array = x_train.mean(axis=0, dtype=np.float64)
    scale: Array = x_train.std(axis=0, dtype=np.float64)
    scale[scale == 0.0] = 1.0
    for x in (x_train, x_test):  # in place and in the features' own dtype: sets may be large
        x -= mean.astype(x.dtype)
        x /= scale.astype(x.dtype)
    y_train, y_test = (np.arange(len(x)) // (len(x) // 2) for x in (x_train, x_test))
    if method == "knn":
        said = vote(x_train, y_train, x_test, isqrt(len(x_train)) | 1)
    elif method == "logistic":
        said = fit_probe(x_train, y_train).predict(x_test)
    else:
        said = _mlp_says(x_train, y_train, x_test, seed)
    return accuracy_test(int((said == y_test).sum()), len(y_test))


def _mlp_says(x_train: Array, y_train: Array, x_test: Array, seed: int) -> Array:
    inputs = x_train.astype(np.float32, copy=False)
    with random.using(random.Streams(seed)):
        net = nn.Sequential(nn.Linear(inputs.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2))
        fit_classes(
            net, lambda rows: (inputs[rows], y_train[rows]), len(inputs), epochs=EPOCHS, lr=LR
        )
    found: Array = in_batches(net, x_test.astype(np.float32, copy=False)).argmax(axis=1)
    return found


@dataclass(frozen=True)
class NeighbourTest:
    """Leave-one-out accuracies of the 1-NN classifier; 1/2 for two sets of one distribution.

    Attributes:
        accuracy: of all points.
        real: share of real points whose nearest other point is real.
        fake: share of fake points whose nearest other point is fake.
        n: points of each kind.
    """

    accuracy: float
    real: float
    fake: float
    n: int


def nearest_neighbour_test(real: Array, fake: Array, *, seed: int = 0) -> NeighbourTest:
    """Return the leave-one-out accuracy of telling reals from fakes by the nearest neighbour.

    Shapes: real (N, d), fake (M, d).

    Args:
        real: features of real samples, at least 2.
        fake: features of generated samples, at least 2.
        seed: of the thinning, where one set is larger.

    Raises:
        ShapeError: the shapes don't fit, or a set has fewer than 2 rows.
        OptionError: a feature is not finite.
    """
    real, fake = _equal_parts("nearest_neighbour_test", real, fake, least=2, seed=seed)
    pool, n = np.concatenate([real, fake]), len(real)
    neighbour_is_fake = nearest(pool, pool, 1, exclude_self=True)[1][:, 0] >= n
    right_real = float((~neighbour_is_fake[:n]).mean())
    right_fake = float(neighbour_is_fake[n:].mean())
    return NeighbourTest((right_real + right_fake) / 2.0, right_real, right_fake, n)


def _equal_parts(
    what: str, real: Array, fake: Array, *, least: int, seed: int
) -> tuple[Array, Array]:
    """Check two sets, shuffle each, and cut the larger to the smaller's size; floats."""
    real, fake = check_pair(what, real, fake)
    sets, n = (("real", real), ("fake", fake)), min(len(real), len(fake))
    if n < least:
        raise ShapeError(
            f"{what}: real {real.shape}, fake {fake.shape}; {least} rows are the least"
        )
    dtype = np.result_type(real, fake, np.float32)
    rows = [random.Stream(seed, f"c2st/{k}").permutation(len(x))[:n] for k, x in sets]
    return real[rows[0]].astype(dtype, copy=False), fake[rows[1]].astype(dtype, copy=False)
