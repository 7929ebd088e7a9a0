"""Bootstrap intervals: how far would a metric move if the samples were drawn again?

Rows are drawn with replacement, each set by itself, and the statistic is computed again. With
replicates t_1 ... t_B and their median m, the interval of level c around the value t is

    [ t + q_((1-c)/2) - m,   t + q_((1+c)/2) - m ],     q the quantiles of the replicates.

This is Efron's percentile interval (1979), moved so that its median lies on the value. Why moved:
a set that was resampled holds each row 0, 1, 2 ... times, so it has 63 % as many different rows. A
Frechet distance grows as the rows get fewer, nearest neighbours get distance 0, a kernel distance
meets pairs that are one row: replicates scatter as the statistic does, but around another middle,
and the plain interval often doesn't even hold the value. What the move can't mend is the bias of
the value itself (``fid_infinity`` is about that one): the interval is of sampling noise at this n.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from ..random import Stream

_WORDS = 1 << 16  # row numbers drawn at a time


@dataclass(frozen=True)
class Interval:
    """A value with its bootstrap interval.

    Attributes:
        value: the statistic of the samples as they are.
        low: lower end; at most the value.
        high: upper end; at least the value.
        level: what share of such intervals should hold the truth, but for the statistic's bias.
        resamples: replicates that it was made of.
    """

    value: float
    low: float
    high: float
    level: float
    resamples: int

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def bootstrap(
    statistic: Callable[..., float],
    *samples: Array,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Compute a statistic and its bootstrap interval.

    Every set has rows drawn by a stream of its own, so that one set's size doesn't change another's
    draws. Arrays whose rows belong together (features and labels) go in as one, and the statistic
    takes them apart. Work on a set that is not to be drawn is best done once, outside:

        target = Gaussian.of(real)  # of metrics.fid: the larger half of a Frechet distance's work
        bootstrap(lambda drawn: target.distance(Gaussian.of(drawn)), fake)

    Shapes: samples (N_i, ...), each at least two rows.

    Args:
        statistic: of as many arrays as there are samples, to a finite number.
        samples: the sets.
        resamples: replicates, 20 or more; 200 give the ends to about a tenth of the width.
        level: above 0 and below 1.
        seed: of the draws.

    Raises:
        OptionError: resamples or level do not fit, or the statistic is not finite.
        ShapeError: there is no sample, or one has fewer than two rows.
    """
    found = bootstrap_all(
        lambda *sets: {"value": statistic(*sets)},
        *samples,
        resamples=resamples,
        level=level,
        seed=seed,
    )
    return found["value"]


def bootstrap_all(
    statistics: Callable[..., Mapping[str, float]],
    *samples: Array,
    values: Mapping[str, float] | None = None,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Compute several statistics and their intervals from one set of draws; see ``bootstrap``.

    Args:
        statistics: of as many arrays as there are samples, to finite numbers by name.
        samples: the sets.
        values: of the samples as they are, where ``statistics`` is a quicker form of them.
        resamples: replicates, 20 or more.
        level: above 0 and below 1.
        seed: of the draws.

    Raises:
        OptionError: resamples or level do not fit, or a statistic is not finite.
        ShapeError: there is no sample, or one has fewer than two rows.
    """
    if resamples < 20 or not 0.0 < level < 1.0:
        raise OptionError(f"resamples={resamples}, level={level}: 20 or more, and 0 to 1 fit")
    if not samples or min(a.ndim for a in samples) < 1 or min(len(a) for a in samples) < 2:
        shapes = ", ".join(str(a.shape) for a in samples) or "none"
        raise ShapeError(f"samples of shape {shapes}: a bootstrap needs two rows or more of each")
    values = statistics(*samples) if values is None else values
    streams = [Stream(seed, f"bootstrap {i}") for i in range(len(samples))]
    replicates = np.empty((resamples, len(values)))
    for row in replicates:
        drawn = [
            a[stream.integers(len(a), 0, len(a))]
            for a, stream in zip(samples, streams, strict=True)
        ]
        found = statistics(*drawn)
        row[:] = [found[name] for name in values]
    tail = (1.0 - level) / 2.0
    quantiles = np.quantile(replicates, [tail, 0.5, 1.0 - tail], axis=0).T
    return {
        name: _around(name, float(value), ends, level, resamples)
        for (name, value), ends in zip(values.items(), quantiles.tolist(), strict=True)
    }


def _around(name: str, value: float, ends: list[float], level: float, resamples: int) -> Interval:
    low, middle, high = ends
    if not np.isfinite([value, low, middle, high]).all():
        raise OptionError(f"bootstrap: {name} of the samples, or of a draw, isn't finite")
    return Interval(value, value + low - middle, value + high - middle, level, resamples)
