"""Sliced Wasserstein distance: optimal transport along random lines, where it is a sort.

    SW_p(P, Q)^p = E_theta W_p(theta.P, theta.Q)^p,      theta uniform on the unit sphere
    W_p(P, Q)^p  = integral over u in (0, 1) of |F_P^-1(u) - F_Q^-1(u)|^p      in one dimension

Of samples the quantile functions F^-1 are steps, so the integral is a finite sum; with as many
real points as fake ones it is the mean over the sorted pairs. Rabin et al. 2011 (SSVM); Bonneel et
al. 2015 (J. Math. Imaging Vis. 51). The mean over directions is one of ``projections`` draws.

``laplacian_swd`` is the multi-scale measure of Karras et al., arXiv:1710.10196, section 5: patches
of 7 x 7 pixels from each level of a Laplacian pyramid, normalised, compared by SW_1 along 512
lines, times 1000. High levels speak of detail and noise, the lowest of composition.

Deviations: the paper leaves border and filter open: here the taps are Burt and Adelson's
(1, 4, 6, 4, 1) / 16 and borders are mirrored. The same positions are cut from real and from fake
images, so that a set is at distance 0 from itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import ops
from ..autograd import Tensor, no_grad
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from ..random import Stream
from .checks import BLOCK_BYTES, blocks, check_count, check_images, check_pair

PATCH = 7  # pixels a side
PATCHES_PER_IMAGE = 128
SMALLEST = 16  # pixels of the lowest level's smaller side
_TAPS = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0


def sliced_wasserstein(
    real: Array, fake: Array, *, projections: int = 512, p: int = 2, seed: int = 0
) -> float:
    """Compute the sliced Wasserstein distance SW_p between two sets of points.

    Shapes: real (N, d), fake (M, d); N and M may differ.

    Args:
        real: points or features.
        fake: points or features.
        projections: random directions, at least 1; in one dimension one is exact.
        p: order of the distance, 1 or 2.
        seed: of the directions.

    Returns:
        A distance in the unit of the points, at least 0.

    Raises:
        ShapeError: the sets are empty, no matrices, or of different dimensions.
        OptionError: a value is not finite, or an argument is out of range.
    """
    real, fake = check_pair("sliced_wasserstein", real, fake)
    check_count("sliced_wasserstein", "projections", projections)
    if p not in (1, 2):
        raise OptionError(f"sliced_wasserstein: p={p!r}: 1 or 2 fits")
    directions = _directions(projections, real.shape[1], seed)
    pieces = _pieces(len(real), len(fake))
    at_once = max(1, BLOCK_BYTES // (8 * (len(real) + len(fake))))
    total = 0.0
    for begin in range(0, projections, at_once):
        theta = directions[begin : begin + at_once]
        total += _transport(_along(real, theta), _along(fake, theta), pieces, p)
    return float((total / projections) ** (1.0 / p))


def _directions(count: int, d: int, seed: int) -> Array:
    """Draw unit vectors. Shapes: -> (count, d), float64."""
    normal = Stream(seed, "sliced_wasserstein/directions").normal((count, d), dtype=np.float64)
    unit: Array = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    return unit


def _along(points: Array, directions: Array) -> Array:
    """Project and sort. Shapes: points (N, d), directions (L, d) -> (L, N), float64."""
    out = np.empty((len(directions), len(points)))
    for part in blocks(len(points), 8 * points.shape[1]):
        out[:, part] = directions @ points[part].astype(np.float64).T
    out.sort(axis=1)
    return out


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Where both quantile functions are constant: each piece's row in either set, and its width."""

    real: Array
    fake: Array
    width: Array


def _pieces(n: int, m: int) -> _Pieces:
    """Cut (0, 1) at every i / n and j / m; in whole numbers of 1 / (n m), so nothing rounds."""
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    starts = np.concatenate([[0], ends[:-1]])
    return _Pieces(starts // m, starts // n, (ends - starts) / (n * m))


def _transport(real: Array, fake: Array, pieces: _Pieces, p: int) -> float:
    """Sum W_p^p over directions. Shapes: real (L, N) and fake (L, M), sorted."""
    total = 0.0
    for x, y in zip(real, fake, strict=True):
        gap = np.abs(x[pieces.real] - y[pieces.fake])
        total += float(pieces.width @ (gap if p == 1 else gap * gap))
    return total


def laplacian_swd(
    real: Array, fake: Array, *, projections: int = 512, seed: int = 0
) -> dict[str, float]:
    """Compare images by the sliced Wasserstein distance of their patches, level by level.

    Shapes: real (N, C, H, W), fake (M, C, H, W), in [-1, 1]; the published numbers are of
    16,384 images. A set's patches of one level lie in memory at once: 75 kB a colour image.

    Args:
        real: images.
        fake: images of the same size.
        projections: random directions a level.
        seed: of positions and directions.

    Returns:
        1000 * SW_1 by resolution, ``{"64": ..., "32": ..., "16": ..., "mean": ...}``: the height
        in pixels of each level, halved while even down to a smaller side of 16 pixels.

    Raises:
        ShapeError: no images, images of different sizes, or smaller than 7 pixels.
        OptionError: a value lies outside [-1, 1], or an argument is out of range.
    """
    real = check_images("laplacian_swd: real", real)
    fake = check_images("laplacian_swd: fake", fake)
    if real.shape[1:] != fake.shape[1:] or min(real.shape[2:]) < PATCH:
        raise ShapeError(
            f"laplacian_swd: real {real.shape}, fake {fake.shape}: images of one size of at least "
            f"{PATCH} pixels fit"
        )
    halvings = _halvings(*real.shape[2:])
    found = {}
    for level in range(halvings + 1):
        last = level == halvings
        patches = [_patches(images, level, last=last, seed=seed) for images in (real, fake)]
        distance = sliced_wasserstein(*patches, projections=projections, p=1, seed=seed)
        found[str(real.shape[2] >> level)] = 1e3 * distance
    return {**found, "mean": float(np.mean(list(found.values())))}


def _halvings(height: int, width: int) -> int:
    """Count how often both sides can be halved while the smaller stays at 16 pixels or more."""
    count = 0
    while not (height % 2 or width % 2) and min(height, width) >= 2 * SMALLEST:
        height, width, count = height // 2, width // 2, count + 1
    return count


def _patches(images: Array, level: int, *, last: bool, seed: int) -> Array:
    """Cut the normalised patches of a level. Shapes: -> (N * 128, C * 7 * 7), float32."""
    n, c, height, width = images.shape
    stream = Stream(seed, "laplacian_swd/positions", step=level)
    at = [
        stream.integers((n, PATCHES_PER_IMAGE), 0, (side >> level) - PATCH + 1)
        for side in (height, width)
    ]
    out = np.empty((n, PATCHES_PER_IMAGE, c, PATCH, PATCH), np.float32)
    for part in blocks(n, 8 * 4 * images[0].size):  # float64, and a few arrays of that size
        band = _band(images[part].astype(np.float64), level, last=last)
        windows = np.lib.stride_tricks.sliding_window_view(band, (PATCH, PATCH), axis=(2, 3))
        rows = np.arange(len(band))[:, None]
        out[part] = windows[rows, :, at[0][part], at[1][part]]
    channels = (0, 1, 3, 4)
    mean = out.mean(axis=channels, keepdims=True, dtype=np.float64)
    std = out.std(axis=channels, keepdims=True, dtype=np.float64)
    out -= mean
    out /= np.where(std == 0.0, 1.0, std)  # a constant set is at its mean everywhere
    return out.reshape(n * PATCHES_PER_IMAGE, -1)


def _band(images: Array, level: int, *, last: bool) -> Array:
    """Return one level of the Laplacian pyramid; the last one is the low-pass image itself."""
    with no_grad():
        x = Tensor(images)
        taps = Tensor(_TAPS)
        for _ in range(level):
            x = _halve(x, taps)
        if last:
            return x.numpy()
        low = ops.reflection_pad2d(_halve(x, taps), 1)
        # the filter's 4 missing pixels are the border's, which is 2 wide when doubled
        return (x - ops.upfirdn2d(low, taps, up=2, gain=4.0)).numpy()


def _halve(x: Tensor, taps: Tensor) -> Tensor:
    return ops.upfirdn2d(ops.reflection_pad2d(x, 2), taps, down=2)
