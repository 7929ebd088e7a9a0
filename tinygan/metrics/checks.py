"""What metrics ask of their inputs, so that refusals read the same; blocks of large sets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import OptionError, ShapeError
from ..kernels.arrays import FLOATS, Array

BLOCK_BYTES = 64 << 20  # of temporaries that a pass over a large set may take


def check_points(what: str, points: Array, *, least: int = 1) -> Array:
    """Return points if they are a finite matrix of at least ``least`` rows.

    Shapes: points (N, d), d >= 1 -> the same, float32 or float64; of another dtype as float64.

    Raises:
        ShapeError: it is no such matrix.
        OptionError: a value is not a finite real number.
    """
    points = np.asarray(points)
    if points.dtype.kind not in "biuf":
        raise OptionError(f"{what} of dtype {points.dtype}: real numbers fit")
    if points.ndim != 2 or len(points) < least or not points.shape[1]:
        raise ShapeError(f"{what} of shape {points.shape}: (N, d) with N >= {least} fits")
    _check_finite(what, points)
    return points if points.dtype in FLOATS else points.astype(np.float64)


def check_pair(metric: str, real: Array, fake: Array, *, least: int = 1) -> tuple[Array, Array]:
    """Check two sets of points or features. Shapes: real (N, d), fake (M, d).

    Raises:
        ShapeError: they are no such matrices, or their dimensions differ.
        OptionError: a value is not finite.
    """
    real = check_points(f"{metric}: real", real, least=least)
    fake = check_points(f"{metric}: fake", fake, least=least)
    if real.shape[1] != fake.shape[1]:
        raise ShapeError(
            f"{metric}: real {real.shape} and fake {fake.shape} differ in dimension; use features "
            "of one net"
        )
    return real, fake


def check_images(what: str, images: Array, *, least: int = 1) -> Array:
    """Return images as they are, if they are a finite batch in [-1, 1].

    Shapes: images (N, C, H, W), C 1 or 3.

    Raises:
        ShapeError: they are no such batch, or fewer than ``least``.
        OptionError: a value is not finite or lies outside [-1, 1].
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) < least:
        raise ShapeError(
            f"{what} of shape {images.shape}: (N, 1 or 3, H, W) with N >= {least} fits"
        )
    _check_finite(what, images)
    # one ulp beyond 1 is a tanh's rounding, and is no sign of another range
    if images.min(initial=0.0) < -1.0 - 1e-6 or images.max(initial=0.0) > 1.0 + 1e-6:
        raise OptionError(f"{what}: values must lie in [-1, 1]")
    return images


def check_count(metric: str, name: str, value: int, least: int = 1) -> None:
    """Raise ``OptionError`` unless an argument is a whole number of at least ``least``."""
    if not isinstance(value, int | np.integer) or value < least:
        raise OptionError(f"{metric}: {name}={value!r}: a whole number >= {least} fits")


def blocks(n: int, bytes_a_row: int) -> Iterator[slice]:
    """Yield slices of 0 .. n, each of so many rows that they take ``BLOCK_BYTES`` at most."""
    rows = max(1, BLOCK_BYTES // max(1, bytes_a_row))
    for begin in range(0, n, rows):
        yield slice(begin, min(n, begin + rows))


def double_blocks(points: Array) -> Iterator[Array]:
    """Yield all rows of (N, d) as float64, some at a time, so that no second set is in memory."""
    for part in blocks(len(points), 8 * points.shape[1]):
        yield points[part].astype(np.float64)


def _check_finite(what: str, values: Array) -> None:
    for part in blocks(len(values), max(1, values[:1].nbytes)):
        if not np.isfinite(values[part]).all():
            raise OptionError(f"{what}: a value is not finite")
