"""How many different samples does a generator make? The birthday paradox, run backwards.

Arora & Zhang, arXiv:1706.08224: of s samples of a distribution that is uniform over N things, two
are the same with probability about 1 - exp(-s^2 / 2 N). So with c of the s (s - 1) / 2 pairs alike,

    N = s (s - 1) / (2 c)

is an estimate of the support, for a distribution that is not uniform of 1 / sum_i p_i^2, which is
at most N. A bound with c = 0 too: c is nearly Poisson, so with 95 % confidence its mean is at least
and at most what ``low`` and ``high`` are made of (the exact interval, from the chi-square quantile
by Wilson and Hilferty's cube root). Pairs of one sample are not independent of each other where
samples repeat often; the interval is then too narrow, and N is small beyond doubt.

*Deviation*: the authors look at the twenty nearest pairs by eye. Here two samples are alike where
they are nearer than a threshold that the real set gives: ``alike_distance``, the distance below
which one real sample in a hundred has a neighbour among as many. So the support is in units of
what the features tell apart, and the number for real samples of the same count is what a
generator without collapse would have: compare with that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ..errors import OptionError
from ..kernels.arrays import Array
from .checks import blocks, check_pair, check_points
from .neighbours import nearest

ALIKE = 0.01  # share of real samples that have a neighbour as near


@dataclass(frozen=True)
class Support:
    """A birthday estimate of the support of a distribution.

    Attributes:
        size: s (s - 1) / (2 c), inf without a pair alike.
        low: lower end of its 95 % interval.
        high: upper end, inf without a pair alike.
        alike: c, pairs nearer than the threshold.
        samples: s.
    """

    size: float
    low: float
    high: float
    alike: int
    samples: int


def alike_distance(real: Array, *, share: float = ALIKE) -> float:
    """Return the distance below which a share of the real points have a neighbour.

    Shapes: real (N, d).

    Args:
        real: points or features, at least 2.
        share: between 0 and 1.

    Raises:
        ShapeError: no such matrix, or one point.
        OptionError: a value is not finite, or share is out of range.
    """
    real = check_points("alike_distance", real, least=2)
    if not 0.0 < share < 1.0:
        raise OptionError(f"alike_distance: share={share!r}: between 0 and 1 fits")
    squared = nearest(real, real, 1, exclude_self=True)[0][:, 0]
    return float(np.sqrt(np.quantile(squared, share)))


def support(points: Array, *, within: float) -> Support:
    """Estimate how many different things a sample was drawn from.

    Shapes: points (N, d).

    Args:
        points: points or features, at least 2.
        within: two are alike at this distance or nearer, 0 or more.

    Raises:
        ShapeError: no such matrix, or one point.
        OptionError: a value is not finite, or within is negative.
    """
    points = check_points("support", points, least=2)
    if not 0.0 <= within < math.inf:
        raise OptionError(f"support: within={within!r}: a distance of 0 or more fits")
    n, d = points.shape
    x = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    squares = np.einsum("ij,ij->i", x, x)
    # the formula of the binomial square is off by so much: copies count as alike
    slack = 8.0 * np.finfo(np.float64).eps * (d + 1) * float(squares.max())
    count = 0
    for rows in blocks(n, 8 * n):
        squared = squares[rows, None] + squares - 2.0 * (x[rows] @ x.T)
        count += int((squared <= within * within + slack).sum())
    alike = (count - n) // 2  # each pair twice, and each point with itself
    pairs = n * (n - 1) / 2.0
    low, high = _poisson_interval(alike)
    return Support(
        pairs / alike if alike else math.inf,
        pairs / high,
        pairs / low if low else math.inf,
        alike,
        n,
    )


def compare_support(real: Array, fake: Array) -> tuple[Support, Support]:
    """Estimate the supports of real and fake samples by one threshold, of as many of each.

    Shapes: real (N, d), fake (M, d).

    Args:
        real: points or features, at least 2.
        fake: points or features, at least 2.

    Returns:
        Of the real set, and of the fake one.

    Raises:
        ShapeError: the sets are too small or of different dimensions.
        OptionError: a value is not finite.
    """
    real, fake = check_pair("compare_support", real, fake)
    n = min(len(real), len(fake))
    within = alike_distance(real[:n])
    return support(real[:n], within=within), support(fake[:n], within=within)


def _poisson_interval(count: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a Poisson mean, by Wilson and Hilferty's approximation."""
    z = NormalDist().inv_cdf((1.0 + level) / 2.0)

    def _half_chi_square(k: float, sign: float) -> float:
        return k * (1.0 - 1.0 / (9.0 * k) + sign * z / (3.0 * math.sqrt(k))) ** 3

    low = _half_chi_square(count, -1.0) if count else 0.0
    return low, _half_chi_square(count + 1.0, 1.0)
