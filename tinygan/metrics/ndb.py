"""NDB: in how many cells of space do fakes occur too often or too seldom? And k-means density.

Richardson & Weiss, arXiv:1805.12462: k-means on the real set cuts space into K cells. Of cell k a
share p_k of the n real points and q_k of the m fakes are counted, and the two-proportion z-test

    z_k = (p_k - q_k) / sqrt(P (1 - P) (1/n + 1/m)),      P = (n p_k + m q_k) / (n + m)

finds them different if |z_k| exceeds the two-sided quantile of ``alpha``. NDB is the number of
such cells: at most about alpha * K for equal distributions, more for modes dropped or crowded.
JS is the Jensen-Shannon divergence of p and q in nats, 0 to log 2.

Protocol: the paper clusters pixels, or features, and takes K = 100, alpha = 0.05. As there, p_k
counts the points that the cells were fitted to; these counts vary less than fresh ones, so that
equal Gaussians differ in 2 % (20 dimensions) to 4.5 % (2 dimensions) of 100 cells, not in 5 %.
Draw subsets at random: from 2,000 random training digits of MNIST 2,000 other ones differ in 2 of
100 cells, but the first 2,000 of its test set in 29.

k-means density asks the same of few cells, to be looked at: see ``ClusterDensity``.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ..errors import OptionError
from ..kernels.arrays import Array
from ._shares import entropy, jensen_shannon
from .checks import check_count, check_pair
from .kmeans import fit_kmeans


@dataclass(frozen=True, eq=False)
class Ndb:
    """Statistically different bins.

    Attributes:
        different: number of cells whose shares differ, 0 to K.
        share: ``different`` / K.
        js: Jensen-Shannon divergence of the shares, nats.
        z: of each cell, positive where fakes are too few, (K,).
        significant: whether the shares of each cell differ, (K,) bool.
        real_share: p, (K,).
        fake_share: q, (K,).
    """

    different: int
    share: float
    js: float
    z: Array
    significant: Array
    real_share: Array
    fake_share: Array


def ndb(real: Array, fake: Array, *, bins: int = 100, alpha: float = 0.05, seed: int = 0) -> Ndb:
    """Count the cells of the real set in which fakes are significantly too many or too few.

    Shapes: real (N, d), fake (M, d); N >= bins.

    Args:
        real: training points or features.
        fake: points or features.
        bins: K, at least 2.
        alpha: significance level of a cell's test, in (0, 1).
        seed: of k-means.

    Raises:
        ShapeError: the sets are empty, of different dimensions, or real has fewer rows than bins.
        OptionError: a value is not finite, or an argument is out of range.
    """
    real, fake = check_pair("ndb", real, fake)
    check_count("ndb", "bins", bins, 2)
    if not 0.0 < alpha < 1.0:
        raise OptionError(f"ndb: alpha={alpha!r}: a level between 0 and 1 fits")
    cells = fit_kmeans(real, bins, seed=seed)
    n, m = len(real), len(fake)
    real_counts, fake_counts = cells.counts(real), cells.counts(fake)
    p, q = real_counts / n, fake_counts / m
    z = _z_of_proportions(p, q, n, m)
    significant = np.abs(z) > NormalDist().inv_cdf(1.0 - alpha / 2.0)
    different = int(significant.sum())
    return Ndb(different, different / bins, jensen_shannon(p, q), z, significant, p, q)


def _z_of_proportions(p: Array, q: Array, n: int, m: int) -> Array:
    pooled = (n * p + m * q) / (n + m)
    error = np.sqrt(pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m))
    # no spread: the cell holds none of the points, and its shares are equal
    z: Array = (p - q) / np.where(error > 0.0, error, 1.0)
    return z


@dataclass(frozen=True, eq=False)
class ClusterDensity:
    """How densely fakes fill the real set's clusters, the most common cluster first.

    Attributes:
        real_share: share of the real points in each cluster, falling, (K,).
        fake_share: share of the fakes, (K,).
        ratio: fake_share / real_share: 1 is the right density, 0 a dropped cluster, (K,).
            Without real points, which only a fit cut short leaves: inf, or 1 without fakes too.
        coverage: share of the clusters that hold at least one fake, 0 to 1.
        entropy: of fake_share over that of real_share: 1 if fakes are as spread as real points;
            1 too for both in one cluster.
        real_example: the real point nearest to each centre: a row to show, (K,).
        fake_example: the fake nearest to it among the cluster's; -1 where there is none, (K,).
    """

    real_share: Array
    fake_share: Array
    ratio: Array
    coverage: float
    entropy: float
    real_example: Array
    fake_example: Array


def cluster_density(
    real: Array, fake: Array, *, clusters: int = 10, seed: int = 0
) -> ClusterDensity:
    """Compare how real points and fakes spread over k-means clusters of the real points.

    Shapes: real (N, d), fake (M, d); N >= clusters.

    Args:
        real: points or features.
        fake: points or features.
        clusters: K, at least 1.
        seed: of k-means.

    Raises:
        ShapeError: the sets are empty, of different dimensions, or real has fewer rows than K.
        OptionError: a value is not finite, or an argument is out of range.
    """
    real, fake = check_pair("cluster_density", real, fake)
    fitted = fit_kmeans(real, clusters, seed=seed)
    (of_real, real_squared), (of_fake, fake_squared) = fitted.assign(real), fitted.assign(fake)
    counts = np.bincount(of_real, minlength=clusters)
    order = np.argsort(-counts, kind="stable")
    p = counts[order] / len(real)
    q = np.bincount(of_fake, minlength=clusters)[order] / len(fake)
    spread = entropy(p)
    return ClusterDensity(
        real_share=p,
        fake_share=q,
        ratio=np.divide(q, p, out=np.where(q > 0.0, np.inf, 1.0), where=p > 0.0),
        coverage=float((q > 0.0).mean()),
        entropy=entropy(q) / spread if spread else 1.0,
        real_example=_nearest_of_each(of_real, real_squared, order),
        fake_example=_nearest_of_each(of_fake, fake_squared, order),
    )


def _nearest_of_each(owner: Array, squared: Array, order: Array) -> Array:
    by_distance = np.argsort(squared, kind="stable")
    out = np.full(len(order), -1, np.int64)
    cells, first = np.unique(owner[by_distance], return_index=True)
    out[cells] = by_distance[first]
    return out[order]
