"""Nearest neighbours and all-pairs distances of large sets, a block of the matrix at a time.

    ||x - y||^2 = ||x||^2 + ||y||^2 - 2 x.y

All is float64, and both sets are centred on the points' mean first, which leaves distances as they
are and norms small. The formula cancels where x and y are close: it is wrong by at most
d eps (||x||^2 + ||y||^2), with eps = 1.1e-16 (Higham, Accuracy and Stability, section 3.1). So it
only nominates; what is reported, and each comparison that the error could decide, is computed from
the differences themselves. A matrix of all pairs (20 GB at N = 50,000) is never in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import NamedTuple

import numpy as np

from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from .checks import check_points, double_blocks

BLOCK_BYTES = 256 << 20
_SPARE = 8  # nominees beyond k: so many may be nearer than the formula can tell
_EPS = float(np.finfo(np.float64).eps)


class Neighbours(NamedTuple):
    """The k nearest points of each query, from near to far.

    Attributes:
        distances: squared, (Q, k) float64.
        indices: of the points, (Q, k) int64.
    """

    distances: Array
    indices: Array


def nearest(
    queries: Array,
    points: Array,
    k: int,
    *,
    exclude_self: bool = False,
    block_bytes: int = BLOCK_BYTES,
) -> Neighbours:
    """Find the k nearest points of each query, by exact search.

    Of equal distances the lowest index comes first; among more than 8 points that lie as near as
    the k-th to within the formula's error, any may be the k-th, always the same.

    Shapes: queries (Q, d), points (P, d) -> (Q, k), (Q, k).

    Args:
        queries: where to look.
        points: what to find.
        k: neighbours of each, 1 to P, or to P - 1 with exclude_self.
        exclude_self: query i and point i are one: it is not its own neighbour.
        block_bytes: memory to use beside the sets, in bytes; at least a few rows' is.

    Raises:
        ShapeError: the sets do not fit each other.
        OptionError: k does not fit, or a value is not finite.
    """
    pairs = Pairs(queries, points, block_bytes)
    queries, points = pairs.queries, pairs.points
    if exclude_self and len(queries) != len(points):
        raise ShapeError(f"{queries.shape} and {points.shape}: exclude_self takes one set twice")
    largest = len(points) - exclude_self
    if not 1 <= k <= largest:
        raise OptionError(f"k={k} neighbours among {len(points)} points: use 1 to {largest}")
    distances = np.empty((len(queries), k))
    indices = np.empty((len(queries), k), np.int64)
    for rows in pairs.row_blocks():
        nominees = _nominate(pairs, rows, min(k + _SPARE, largest), exclude_self)
        exact = np.stack([squared(queries[rows], points[j]) for j in nominees.T], axis=1)
        order = np.argsort(exact, axis=1, kind="stable")[:, :k]  # nominees ascend: ties by index
        distances[rows] = np.take_along_axis(exact, order, axis=1)
        indices[rows] = np.take_along_axis(nominees, order, axis=1)
    return Neighbours(distances, indices)


def _nominate(pairs: Pairs, rows: slice, count: int, exclude_self: bool) -> Array:
    """Return the indices of the nearest by the formula, ascending. Shapes: -> (rows, count)."""
    best = np.empty((rows.stop - rows.start, 0))
    where = np.empty(best.shape, np.int64)
    for cols, distances in pairs.columns(rows):
        if exclude_self:
            distances[diagonal(rows, cols)] = np.inf
        chosen = _lowest(distances, count)
        best = np.hstack([best, np.take_along_axis(distances, chosen, axis=1)])
        where = np.hstack([where, chosen + cols.start])
        kept = _lowest(best, count)
        best, where = (np.take_along_axis(a, kept, axis=1) for a in (best, where))
    return where


def _lowest(values: Array, count: int) -> Array:
    """Return the columns of each row's least values, ascending; of equals the first ones."""
    width = values.shape[1]
    if width <= count:
        return np.broadcast_to(np.arange(width), values.shape)
    cut = np.partition(values, count - 1, axis=1)[:, count - 1 : count]
    kept = values <= cut
    tied = kept.sum(axis=1) > count
    if tied.any():
        less, equal = (values < cut)[tied], (values == cut)[tied]
        room = count - less.sum(axis=1, keepdims=True)
        kept[tied] = less | (equal & (equal.cumsum(axis=1) <= room))
    return np.nonzero(kept)[1].reshape(-1, count)


def squared(x: Array, y: Array) -> Array:
    """Return the squared distances of rows from their differences. Shapes: (N, d) twice -> (N,)."""
    difference = x.astype(np.float64) - y
    distances: Array = np.einsum("ij,ij->i", difference, difference)
    return distances


def diagonal(rows: slice, cols: slice) -> tuple[Array, Array]:
    """Return where, in a block of all pairs of a set with itself, a row meets itself."""
    both = np.arange(max(rows.start, cols.start), min(rows.stop, cols.stop))
    return both - rows.start, both - cols.start


class Pairs:
    """All pairs of two sets, whose distances come a block at a time.

    Shapes: queries (Q, d), points (P, d).

    Args:
        queries: the rows of the matrix.
        points: its columns.
        block_bytes: memory to use beside the sets, in bytes; at least a few rows' is.

    Raises:
        ShapeError: the sets do not fit each other.
        OptionError: a value is not finite.
    """

    def __init__(self, queries: Array, points: Array, block_bytes: int = BLOCK_BYTES) -> None:
        self.queries = check_points("queries", queries)
        self.points = check_points("points", points)
        d = self.points.shape[1]
        if self.queries.shape[1] != d:
            raise ShapeError(f"queries {self.queries.shape}, points {self.points.shape}: d differs")
        # b rows of each set thrice (as they are, centred, a difference), and three b x b matrices
        self._rows = max(1, int(sqrt(d * d + block_bytes / 24) - d))
        self._centre = sum(rows.sum(axis=0) for rows in double_blocks(self.points)) / len(
            self.points
        )
        self._norms = np.concatenate(
            [np.square(rows - self._centre).sum(axis=1) for rows in double_blocks(self.points)]
        )

    def row_blocks(self) -> Iterator[slice]:
        """Yield the queries, a slice at a time."""
        yield from _slices(len(self.queries), self._rows)

    def columns(self, rows: slice) -> Iterator[tuple[slice, Array]]:
        """Yield slices of the points with the squared distances of some queries to them.

        They are the formula's, at least 0. Shapes: distances (rows, cols).
        """
        x = self.queries[rows] - self._centre
        norms = np.square(x).sum(axis=1)
        x *= -2.0
        for cols in _slices(len(self.points), self._rows):
            distances = x @ (self.points[cols] - self._centre).T
            distances += norms[:, None]
            distances += self._norms[cols]
            yield cols, np.maximum(distances, 0.0, out=distances)

    def within(
        self, rows: slice, cols: slice, distances: Array, limits: Array, *, inclusive: bool
    ) -> Array:
        """Tell which pairs are nearer than limits; those at the limit are computed exactly.

        Shapes: distances (rows, cols), limits (rows, 1) or (1, cols) -> (rows, cols) bool.

        Args:
            rows: of the block.
            cols: of the block.
            distances: of the block, from ``columns``.
            limits: squared distances.
            inclusive: whether a pair exactly at the limit is within.
        """
        centred = self.queries[rows] - self._centre
        error = (centred.shape[1] + 4) * _EPS  # d + 4 roundings of half an eps, and the centring's
        scale = np.square(centred).sum(axis=1)[:, None] + self._norms[cols].max()
        inside: Array = distances < limits
        near = np.abs(distances - limits) <= error * scale
        i, j = np.nonzero(near)
        limit = np.broadcast_to(limits, near.shape)
        for part in _slices(len(i), self._rows):
            a, b = i[part], j[part]
            exact = squared(self.queries[rows][a], self.points[cols][b])
            inside[a, b] = exact <= limit[a, b] if inclusive else exact < limit[a, b]
        return inside


def _slices(count: int, step: int) -> Iterator[slice]:
    for begin in range(0, count, step):
        yield slice(begin, min(begin + step, count))
