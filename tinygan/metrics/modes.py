"""Which modes does a generator reach, where the modes are known: toys and stacked digits.

Toys, by the protocol of PacGAN (arXiv:1712.04086, section 4.1, on the ring and the grid of
``tinygan.data``). A point is of *high quality* if its Mahalanobis distance ||x - c|| / sigma to
the nearest centre c is at most 3. A mode is *recovered* if at least one point of high quality is
nearest to it. For KL every point counts, of whatever quality, for its nearest mode:

    KL(fake || uniform) = sum_k q_k log(q_k K),   nats: 0 to log K

The authors' code takes those of high quality alone, which is log K less the entropy of ``counts``.
Of real points in two dimensions 1 - exp(-9 / 2) = 98.9 % are of high quality.

Stacked digits, section 4.2: three digits are the colour channels of an image, so there are 1000
modes. A classifier of grey digits reads each channel; an image counts for the triple of the most
probable classes, a mode is recovered if an image counts for it, KL is as above with K = 1000.
The paper draws 26,000 images; fewer recover fewer modes, and of n real ones log 1000 - H(q) is not
0: about 999 / (2 n).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from ..random import Stream
from ._shares import kl
from .checks import blocks, check_count, check_images, check_points

CLASSES = 10  # digits a channel
Classify = Callable[[Array], Array]
_IMAGES_AT_ONCE = 500


@dataclass(frozen=True, eq=False)
class Modes:
    """Where n samples lie among K modes.

    Attributes:
        recovered: modes that at least one sample counts for.
        total: K.
        high_quality: share of the samples that lie within the mode they are nearest to; 1 for
            stacked digits, each of which is some triple.
        kl: KL divergence of the samples' modes from uniform, nats.
        counts: samples by mode, those of high quality alone, (K,) int64.
        samples: n.
    """

    recovered: int
    total: int
    high_quality: float
    kl: float
    counts: Array
    samples: int


def toy_modes(points: Array, centres: Array, *, sigma: float, within: float = 3.0) -> Modes:
    """Count the modes of an isotropic Gaussian mixture that points recover.

    Shapes: points (N, d), centres (K, d).

    Args:
        points: samples.
        centres: of the modes, ``tinygan.data.toys.TOYS["ring"].centres``.
        sigma: standard deviation of a mode along each axis, above 0.
        within: distance in sigmas up to which a point is of high quality, above 0.

    Raises:
        ShapeError: the arrays are empty, no matrices, or of different dimensions.
        OptionError: a value is not finite, or sigma or within is not positive.
    """
    points = check_points("toy_modes: points", points)
    centres = check_points("toy_modes: centres", centres).astype(np.float64)
    if points.shape[1] != centres.shape[1]:
        raise ShapeError(
            f"toy_modes: points {points.shape} and centres {centres.shape} differ in dimension"
        )
    for name, value in (("sigma", sigma), ("within", within)):
        if not 0.0 < value < np.inf:
            raise OptionError(f"toy_modes: {name}={value!r}: a number above 0 fits")
    total = len(centres)
    every, good = np.zeros(total, np.int64), np.zeros(total, np.int64)
    for part in blocks(len(points), 8 * centres.size):
        distance = np.linalg.norm(points[part, None] - centres, axis=2)
        nearest = distance.argmin(axis=1)
        every += np.bincount(nearest, minlength=total)
        near = distance.min(axis=1) <= within * sigma
        good += np.bincount(nearest[near], minlength=total)
    return _summary(every, good)


def stacked_digit_modes(images: Array, classify: Classify) -> Modes:
    """Count the triples of digits among images whose three channels each show a digit.

    Shapes: images (N, 3, H, W) in [-1, 1].

    Args:
        images: samples.
        classify: class probabilities of grey images, (n, 1, H, W) -> (n, 10): a classifier's
            ``probabilities``.

    Raises:
        ShapeError: the images are no such batch, or classify returns another shape.
        OptionError: a value is not finite or lies outside [-1, 1].
    """
    images = check_images("stacked_digit_modes: images", images)
    if images.shape[1] != 3:
        raise ShapeError(f"stacked_digit_modes: images {images.shape}: (N, 3, H, W) fits")
    counts = np.zeros(CLASSES**3, np.int64)
    for begin in range(0, len(images), _IMAGES_AT_ONCE):
        part = images[begin : begin + _IMAGES_AT_ONCE]
        grey = np.ascontiguousarray(part.reshape(-1, 1, *part.shape[2:]))
        p = np.asarray(classify(grey))
        if p.shape != (len(grey), CLASSES):
            raise ShapeError(
                f"stacked_digit_modes: classify returned {p.shape} for {grey.shape}: "
                f"({len(grey)}, {CLASSES}) fits"
            )
        hundreds, tens, ones = p.argmax(axis=1).reshape(-1, 3).T
        counts += np.bincount(100 * hundreds + 10 * tens + ones, minlength=len(counts))
    return _summary(counts, counts)


def _summary(every: Array, good: Array) -> Modes:
    total, samples = len(every), int(every.sum())
    divergence = kl(every / samples, np.full(total, 1.0 / total))
    recovered = int((good > 0).sum())
    return Modes(recovered, total, float(good.sum() / samples), divergence, good, samples)


def recovered_interval(
    modes: Modes, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Bootstrap an interval for the number of modes that n samples recover on average.

    The count r is right on average, but drawing the n samples anew would never reach a mode that
    they missed. So they are drawn from shares in which modes without samples have, in equal parts,
    the mass that n samples leave unseen, by Good-Turing f_1 / n, with f_1 modes of one sample
    (after Chao et al. 2014, Ecol. Monogr. 84; there the number of modes is estimated, here
    it is known). The draws' quantiles about their mean are laid about r, within 0 .. K.

    Its coverage at a level of 0.95, measured on Zipf's, geometric and uniform shares of 25 to 1000
    modes, is 0.91 to 1. More samples would recover more; of that it says nothing.

    Args:
        modes: what was counted.
        level: coverage of the interval, in (0, 1).
        resamples: at least 1.
        seed: of the draws.

    Returns:
        Lower and upper end.

    Raises:
        OptionError: an argument is out of range.
    """
    check_count("recovered_interval", "resamples", resamples)
    if not 0.0 < level < 1.0:
        raise OptionError(f"recovered_interval: level={level!r}: between 0 and 1 fits")
    edges = np.cumsum(_smoothed_shares(modes))
    stream = Stream(seed, "recovered_interval")
    recovered = np.empty(resamples)
    for i in range(resamples):
        drawn = np.searchsorted(edges, stream.uniform(modes.samples, dtype=np.float64), "right")
        # the last cell is of samples that count for no mode
        recovered[i] = (np.bincount(drawn, minlength=modes.total + 1)[: modes.total] > 0).sum()
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    low, high = modes.recovered + np.quantile(recovered - recovered.mean(), tails)
    return float(max(low, 0.0)), float(min(high, modes.total))


def _smoothed_shares(modes: Modes) -> Array:
    """Give modes without samples their part of the unseen mass. Shapes: -> (K,), sum at most 1."""
    missed = modes.counts == 0
    shares: Array = modes.counts / modes.samples
    if missed.any():
        unseen = float((modes.counts == 1).sum() / modes.samples)
        shares = shares * (1.0 - unseen) + missed * (unseen / missed.sum())
    return shares
