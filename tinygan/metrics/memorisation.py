"""Are samples copies of the training set? Distances to the nearest neighbours, held-out ones too.

A fake that lies near a training image says nothing alone: a good fake lies near *some* real image.
What tells is a difference between images that the generator saw and images that it did not.

Data-copying test (Meehan, Chaudhuri & Dasgupta, arXiv:2004.05675): let t(x) be the
distance of x to the nearest training image, in the features of a net or in pixels. If the generator
is as far from its training set as fresh data are, t(fake) and t(held out) have one distribution,
and of U, the number of pairs with t(fake) > t(held out) (equal ones count one half),

    z = (U - n m / 2) / sqrt(n m / 12 * (n + m + 1 - sum_ties (s^3 - s) / ((n + m)(n + m - 1))))

is nearly N(0, 1). Far below 0 the fakes copy; far above, they lie off the data. Copies of a part of
the data can hide behind another part: so k-means cuts space into cells by the training set, each
cell pi gets a z from its own samples, and with P(pi), the share of held-out data in it,

    C_T = sum_pi P(pi) z_pi / sum_pi P(pi)        over the cells that hold samples enough

whose standard deviation is sqrt(sum P^2) / sum P for fresh samples. *Deviations*: ``copied`` is a
threshold of our own; equal distances count one half; cells need as many held-out data as fakes.

Gap: mean distance of the fakes to the nearest of the training images less that to the nearest of as
many held-out ones, over the latter: 0 for a generator that has learnt the distribution, -1 for one
that repeats its training set.

Protocol: held-out data must be exchangeable with the training data; a random part of one set is.
MNIST's test set has other writers: one half of it in place of fakes, against the other half, has a
gap of +0.02 with t = 7 in ``mnist_lenet``'s features (t = 10 in pixels), and a z of 1 to 2. So a
gap of a few hundredths says nothing there, and z decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from ..random import Stream
from .checks import check_count, check_points
from .kmeans import fit_kmeans
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


@dataclass(frozen=True, eq=False)
class CellCopying:
    """The data-copying test, cell by cell.

    Attributes:
        c_t: mean z of the cells, weighted by their share of held-out data.
        p_value: probability of a c_t as low or lower, by chance.
        z: of each cell, (cells,); NaN where there are too few samples.
        share: of the held-out data in each cell, (cells,).
    """

    c_t: float
    p_value: float
    z: Array
    share: Array


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
    distances = [_to_nearest(x, train) for x in (fake, held_out)]
    z = rank_sum_z(*distances)
    medians = (float(np.median(d)) for d in distances)
    return CopyingTest(z, _normal_tail(z), z < COPIED_Z, *medians)


def copying_by_cell(
    train: Array, held_out: Array, fake: Array, *, cells: int = 10, least: int = 20, seed: int = 0
) -> CellCopying:
    """Test in each cell of the training set whether fakes lie nearer to it than fresh data do.

    Shapes: train (N, d), held_out (M, d), fake (K, d): features, or pixels as (N, C, H, W).

    Args:
        train: what the generator was trained on.
        held_out: data of the same source that it never saw.
        fake: its samples.
        cells: clusters of the training set, at least 1.
        least: fakes, and held-out data, that a cell needs to be counted, at least 2.
        seed: of the clustering.

    Raises:
        ShapeError: the shapes don't fit, or a set is too small.
        OptionError: a value is not finite, an argument is out of range, or no cell has enough.
    """
    check_count("copying_by_cell", "least", least, 2)
    sets = _rows("copying_by_cell", train, held_out, fake)
    fitted = fit_kmeans(sets[0], cells, seed=seed)
    owners = [fitted.assign(x)[0] for x in sets]
    z = np.full(cells, np.nan)
    for cell in range(cells):
        near, fresh, made = (x[o == cell] for x, o in zip(sets, owners, strict=True))
        if min(len(fresh), len(made)) >= least and len(near):
            z[cell] = rank_sum_z(_to_nearest(made, near), _to_nearest(fresh, near))
    counted = ~np.isnan(z)
    if not counted.any():
        raise OptionError(
            f"copying_by_cell: none of {cells} cells has {least} fakes and {least} held-out data; "
            "fewer cells fit"
        )
    share = np.bincount(owners[1], minlength=cells) / len(sets[1])
    weight = share[counted] / share[counted].sum()
    c_t = float(weight @ z[counted])
    return CellCopying(c_t, _normal_tail(c_t / math.sqrt(weight @ weight)), z, share)


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
        sides.append(_to_nearest(fake, points[chosen]))
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


def _to_nearest(x: Array, points: Array) -> Array:
    """Return the distance of each row of x to the nearest point. Shapes: -> (len(x),)."""
    distances: Array = np.sqrt(nearest(x, points, 1)[0][:, 0])
    return distances


def _normal_tail(z: float) -> float:
    """Return P(Z <= z) of Z ~ N(0, 1)."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def _rows(what: str, *sets: Array) -> tuple[Array, ...]:
    """Flatten train, held-out and fake samples to rows, and check them."""
    if any(x.ndim < 2 or x.shape[1:] != sets[0].shape[1:] for x in sets):
        shapes = ", ".join(str(x.shape) for x in sets)
        raise ShapeError(f"{what}: train, held_out, fake {shapes}; (N, d), (M, d), (K, d) fit")
    return tuple(
        check_points(f"{what}: {name}", x.reshape(len(x), math.prod(x.shape[1:])), least=least)
        for x, name, least in zip(sets, ("train", "held_out", "fake"), (1, 2, 2), strict=True)
    )
