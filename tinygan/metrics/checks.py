"""What every statistic asks of its feature sets, so that each refusal reads the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array

_BLOCK_BYTES = 64 << 20  # of float64 rows at a time: small beside the set, large enough for BLAS


def feature_set(features: Array, what: str, *, least: int = 1) -> Array:
    """Return the features as a matrix of real, finite numbers, in the dtype that they have.

    Shapes: features (N, d) -> (N, d).

    Args:
        features: what the user gave.
        what: its name in a message: ``real features``.
        least: rows that the statistic needs.

    Raises:
        ShapeError: it is no matrix, has no columns, or has fewer rows than ``least``.
        OptionError: a value is not a real number, or not finite.
    """
    features = np.asarray(features)
    if features.ndim != 2 or features.shape[1] < 1 or len(features) < least:
        raise ShapeError(f"{what} of shape {features.shape}: use (N, d) with N >= {least}")
    if features.dtype.kind not in "biuf" or not np.isfinite(features).all():
        raise OptionError(f"{what} of dtype {features.dtype}: a value isn't a finite real number")
    return features


def feature_pair(real: Array, fake: Array, *, least: int = 1) -> tuple[Array, Array]:
    """Return two feature sets of one dimension, each checked by ``feature_set``.

    Shapes: real (N, d), fake (M, d) -> (N, d), (M, d).

    Raises:
        ShapeError: a set has another shape or too few rows, or the dimensions differ.
        OptionError: a value is not a finite real number.
    """
    real = feature_set(real, "real features", least=least)
    fake = feature_set(fake, "fake features", least=least)
    if real.shape[1] != fake.shape[1]:
        raise ShapeError(
            f"real features {real.shape} and fake features {fake.shape}: use features of one net, "
            "with one dimension"
        )
    return real, fake


def double_blocks(features: Array) -> Iterator[Array]:
    """Yield all rows of (N, d) as float64, some at a time, so that no second set is in memory."""
    rows = max(1, _BLOCK_BYTES // (8 * features.shape[1]))
    for begin in range(0, len(features), rows):
        yield features[begin : begin + rows].astype(np.float64)
