"""Nearest neighbours by brute force, in blocks; squared Euclidean distances in float64."""

from __future__ import annotations

import numpy as np

from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array

_BLOCK = 512


def nearest(
    queries: Array, points: Array, k: int, *, exclude_self: bool = False
) -> tuple[Array, Array]:
    """Return squared distances and indices of each query's k nearest points, nearest first.

    Shapes: queries (Q, d), points (N, d) -> (Q, k) float64, (Q, k) int64.

    Raises:
        ShapeError: the shapes don't fit.
        OptionError: there are fewer than k points.
    """
    if queries.ndim != 2 or points.ndim != 2 or queries.shape[1] != points.shape[1]:
        raise ShapeError(f"nearest: queries {queries.shape}, points {points.shape}; (Q, d), (N, d)")
    if not 1 <= k <= len(points) - exclude_self:
        raise OptionError(f"nearest: k={k} of {len(points)} points")
    p = points.astype(np.float64)
    norms = (p * p).sum(1)
    distances, indices = [], []
    for begin in range(0, len(queries), _BLOCK):
        q = queries[begin : begin + _BLOCK].astype(np.float64)
        d = np.maximum((q * q).sum(1)[:, None] + norms - 2.0 * q @ p.T, 0.0)
        if exclude_self:
            d[np.arange(len(q)), begin + np.arange(len(q))] = np.inf
        order = np.argsort(d, axis=1, kind="stable")[:, :k]
        distances.append(np.take_along_axis(d, order, 1))
        indices.append(order)
    return np.concatenate(distances), np.concatenate(indices)
