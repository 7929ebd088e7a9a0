"""k-means: K centres that make the sum of squared distances to the nearest one small.

    minimise over c_1 .. c_K   sum_i min_k ||x_i - c_k||^2

Seeding by k-means++ (Arthur & Vassilvitskii 2007): each next centre is a point drawn with a
probability proportional to its squared distance from those there are. Then Lloyd's steps: each
point to its nearest centre, each centre to its points' mean, until no point changes. A centre that
loses all its points moves to the point that is farthest from its own centre.

Everything random comes from the seed and ties go to the lower index, so a result is the same
whenever it is computed. Sums are float64 and points pass in blocks: N x K distances never lie in
memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from ..random import Stream
from .checks import blocks, check_count, check_points


@dataclass(frozen=True, eq=False)
class KMeans:
    """Centres, and the cells of space that are nearest to each.

    Attributes:
        centres: (K, d) float64.
        iterations: Lloyd's steps that were taken.
        converged: whether the last step moved no point to another centre.
    """

    centres: Array
    iterations: int
    converged: bool

    def assign(self, points: Array) -> tuple[Array, Array]:
        """Find each point's nearest centre.

        Shapes: points (N, d) -> index (N,) int64 and squared distance (N,) float64.

        Raises:
            ShapeError: points is no matrix, or of another dimension.
            OptionError: a value is not finite.
        """
        points = check_points("k-means: points", points)
        if points.shape[1] != self.centres.shape[1]:
            raise ShapeError(
                f"k-means: points {points.shape} and centres {self.centres.shape} differ in "
                "dimension"
            )
        return _nearest(points, self.centres)

    def counts(self, points: Array) -> Array:
        """Count the points of each cell. Shapes: points (N, d) -> (K,) int64."""
        return np.bincount(self.assign(points)[0], minlength=len(self.centres))


def fit_kmeans(points: Array, clusters: int, *, max_iterations: int = 100, seed: int = 0) -> KMeans:
    """Cluster points.

    Shapes: points (N, d).

    Args:
        points: at least as many distinct ones as ``clusters``.
        clusters: K, at least 1.
        max_iterations: of Lloyd's steps, at least 1.
        seed: of the seeding.

    Raises:
        ShapeError: points is no matrix, or has fewer rows than clusters.
        OptionError: a value is not finite, an argument is out of range, or fewer than K points
            are distinct.
    """
    check_count("k-means", "clusters", clusters)
    check_count("k-means", "max_iterations", max_iterations)
    points = check_points("k-means: points", points, least=clusters)
    centres = _seed(points, clusters, Stream(seed, "k-means"))
    owner, squared = _nearest(points, centres)
    for iteration in range(1, max_iterations + 1):
        centres = _means(points, owner, squared, centres)
        before, (owner, squared) = owner, _nearest(points, centres)
        if np.array_equal(owner, before):
            return KMeans(centres, iteration, converged=True)
    return KMeans(centres, max_iterations, converged=False)


def _distance_blocks(points: Array, centres: Array) -> Iterator[tuple[slice, Array]]:
    """Yield squared distances by rows of points. Shapes: (block, K), float64.

    ||x - c||^2 = ||x||^2 - 2 x.c + ||c||^2 about the centres' mean: far from the origin it would
    be a small difference of large numbers.
    """
    middle = centres.mean(axis=0)
    moved = centres - middle
    norms = np.einsum("kd,kd->k", moved, moved)
    for part in blocks(len(points), 8 * (points.shape[1] + len(centres))):
        x = points[part] - middle  # float64, as the centres are
        squared = np.einsum("nd,nd->n", x, x)[:, None] - 2.0 * (x @ moved.T) + norms
        yield part, np.maximum(squared, 0.0, out=squared)


def _nearest(points: Array, centres: Array) -> tuple[Array, Array]:
    owner = np.empty(len(points), np.int64)
    squared = np.empty(len(points))
    for part, distances in _distance_blocks(points, centres):
        owner[part] = distances.argmin(axis=1)
        squared[part] = distances.min(axis=1)
    return owner, squared


def _seed(points: Array, clusters: int, stream: Stream) -> Array:
    centres = np.empty((clusters, points.shape[1]))
    chosen = int(stream.integers(1, 0, len(points))[0])
    squared = np.full(len(points), np.inf)
    for k in range(clusters):
        if k:
            if not squared.any():
                raise OptionError(
                    f"k-means: {clusters} clusters of {k} distinct points: at most {k} fit"
                )
            upto = np.cumsum(squared)
            place = stream.uniform(1, dtype=np.float64)[0] * upto[-1]
            chosen = int(np.searchsorted(upto, place, side="right"))
        centres[k] = points[chosen]
        for part in blocks(len(points), 16 * points.shape[1]):
            # a plain difference in the points' dtype: for equal points exactly 0
            away = points[part] - points[chosen]
            np.minimum(squared[part], np.einsum("nd,nd->n", away, away), out=squared[part])
    return centres


def _means(points: Array, owner: Array, squared: Array, centres: Array) -> Array:
    """Return each centre's mean of its points; one without points takes the farthest point."""
    sums, counts = np.zeros_like(centres), np.bincount(owner, minlength=len(centres))
    cells = np.arange(len(centres))
    for part in blocks(len(points), 8 * (points.shape[1] + len(centres))):
        sums += (owner[part] == cells[:, None]).astype(np.float64) @ points[part].astype(np.float64)
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        sums[empty] = points[np.argsort(-squared, kind="stable")[: len(empty)]]
    means: Array = sums / np.maximum(counts, 1)[:, None]
    return means
