"""Are samples copies of the training set? Distances to the nearest neighbours, held-out ones too.

A fake that lies near a training image says nothing alone: a good fake lies near *some* real image.
What tells is a difference between images that the generator saw and images that it did not.

Data-copying test (Meehan, Chaudhuri & Dasgupta, arXiv:2004.05675, section 3.1): let t(x) be the
distance of x to the nearest training image, in the features of a net or in pixels. If the generator
is as far from its training set as fresh data are, t(fake) and t(held out) have one distribution,
and of U, the number of pairs with t(fake) > t(held out) (equal ones count one half),

    z = (U - n m / 2) / sqrt(n m / 12 * (n + m + 1 - sum_ties (s^3 - s) / ((n + m)(n + m - 1))))

is nearly N(0, 1). Far below 0 the fakes copy; far above, they lie off the data. *Deviations*: the
paper also averages z over the cells of a clustering, here one cell holds all; ``copied`` is a
threshold of our own.

Gap: mean distance of the fakes to the nearest of the training images less that to the nearest of as
many held-out ones, over the latter: 0 for a generator that has learnt the distribution, -1 for one
that repeats its training set.

Protocol: held-out and training data must be exchangeable. A random part of one set is; MNIST's test
set, which other people wrote, is nearly so; and in the features of a net that was trained on the
training set, training and held-out images already differ. Take pixels, or another set's net.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import prod

import numpy as np

from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from ..random import Stream
from ._inputs import check_points
from .neighbours import nearest

COPIED_Z = -5.0  # fresh samples fall below it once in 3 million tests


@dataclass(frozen=True)
class CopyingTest:
    """The data-copying test.

    Attributes:
        z: the statistic; N(0, 1) for fresh samples, far below 0 for copies.
        p_value: probability of a z as low or lower, by chance.
        copied: whether z is below -5.
        fake_distance: median distance of a fake to its nearest training image.
        held_out_distance: median distance of a held-out image to its nearest training image.
    """

    z: float
    p_value: float
    copied: bool
    fake_distance: float
    held_out_distance: float


@dataclass(frozen=True)
class MemorisationGap:
    """How much nearer fakes lie to the training set than to data that were held out.

    Attributes:
        gap: (to_train - to_held_out) / to_held_out; 0 without memorisation, -1 for copies.
        t: the mean difference over its standard error among the fakes, for these two sets; another
            draw of the sets would move it too, so ``copying_test`` decides.
        to_train: mean distance of a fake to the nearest of ``n`` training images.
        to_held_out: mean distance of a fake to the nearest of ``n`` held-out images.
        n: images taken of each set, the size of the smaller.
    """

    gap: float
    t: float
    to_train: float
    to_held_out: float
    n: int


def copying_test(train: Array, held_out: Array, fake: Array) -> CopyingTest:
    """Test whether fakes lie nearer to the training set than fresh data do.

    Shapes: train (N, d), held_out (M, d), fake (K, d): features, or pixels as (N, C, H, W).

    Args:
        train: what the generator was trained on.
        held_out: data of the same source that it never saw, at least 2.
        fake: its samples, at least 2.

    Raises:
        ShapeError: the shapes don't fit, or a set is too small.
        OptionError: a value is not finite.
    """
    train, held_out, fake = _rows("copying_test", train, held_out, fake)
    distances = [np.sqrt(nearest(x, train, 1)[0][:, 0]) for x in (fake, held_out)]
    z = rank_sum_z(*distances)
    p_value = 0.5 * math.erfc(-z / math.sqrt(2.0))
    return CopyingTest(z, p_value, z < COPIED_Z, *(float(np.median(d)) for d in distances))


def memorisation_gap(
    train: Array, held_out: Array, fake: Array, *, seed: int = 0
) -> MemorisationGap:
    """Compare the fakes' distances to training data and to as many held-out data.

    Shapes: train (N, d), held_out (M, d), fake (K, d): features, or pixels as (N, C, H, W).

    Args:
        train: what the generator was trained on.
        held_out: data of the same source that it never saw.
        fake: its samples, at least 2.
        seed: of the choice among the larger set: a larger set has nearer neighbours.

    Raises:
        ShapeError: the shapes don't fit, or a set is too small.
        OptionError: a value is not finite, or all fakes lie on held-out images.
    """
    train, held_out, fake = _rows("memorisation_gap", train, held_out, fake)
    n = min(len(train), len(held_out))
    sides = []
    for name, points in (("train", train), ("held_out", held_out)):
        chosen = Stream(seed, f"memorisation/{name}").permutation(len(points))[:n]
        sides.append(np.sqrt(nearest(fake, points[chosen], 1)[0][:, 0]))
    to_train, to_held_out = (float(d.mean()) for d in sides)
    if to_held_out == 0.0:
        raise OptionError("memorisation_gap: every fake lies on a held-out image; is it held out?")
    difference = sides[0] - sides[1]
    error = float(difference.std(ddof=1)) / math.sqrt(len(difference))
    mean = float(difference.mean())
    t = mean / error if error else math.copysign(math.inf, mean) if mean else 0.0
    return MemorisationGap(mean / to_held_out, t, to_train, to_held_out, n)


def rank_sum_z(x: Array, y: Array) -> float:
    """Return Mann and Whitney's z of x against y, above 0 where x is larger; 0 if all are equal.

    Shapes: x (n,), y (m,).
    """
    n, m = len(x), len(y)
    _, inverse, counts = np.unique(np.concatenate([x, y]), return_inverse=True, return_counts=True)
    mid_ranks = np.cumsum(counts) - (counts - 1) / 2.0
    u = float(mid_ranks[inverse[:n]].sum()) - n * (n + 1) / 2.0
    total = float(n + m)
    ties = float((counts.astype(np.float64) ** 3 - counts).sum()) / (total * (total - 1.0))
    variance = n * m / 12.0 * (total + 1.0 - ties)
    return (u - n * m / 2.0) / math.sqrt(variance) if variance > 0.0 else 0.0


def _rows(what: str, *sets: Array) -> tuple[Array, ...]:
    """Flatten train, held-out and fake samples to rows, and check them."""
    if any(x.ndim < 2 or x.shape[1:] != sets[0].shape[1:] for x in sets):
        shapes = ", ".join(str(x.shape) for x in sets)
        raise ShapeError(f"{what}: train, held_out, fake {shapes}; (N, d), (M, d), (K, d) fit")
    return tuple(
        check_points(f"{what}: {name}", x.reshape(len(x), prod(x.shape[1:])), least=least)
        for x, name, least in zip(sets, ("train", "held_out", "fake"), (1, 2, 2), strict=True)
    )
