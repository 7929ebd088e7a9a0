"""Is an accuracy better than guessing? The exact binomial test and interval.

Of n independent guesses that are right with probability p, k or more are right with probability

    P(X >= k) = sum_{i = k}^{n} C(n, i) p^i (1 - p)^(n - i)

which is the p-value of k right answers at p = 1/2. The interval of Clopper & Pearson (Biometrika
1934) holds the p at which neither k or more nor k or fewer would be rare; it never covers less
often than it says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import OptionError

_HALVINGS = 60  # of [0, 1]: below the spacing of float64 near 1/2


@dataclass(frozen=True)
class AccuracyTest:
    """An accuracy against the null hypothesis of guessing between two equally frequent answers.

    Attributes:
        accuracy: share of right answers, 0 to 1.
        n: answers.
        low: lower end of the 95 % interval of the accuracy.
        high: its upper end.
        p_value: probability that guessing gives as many right answers or more.
    """

    accuracy: float
    n: int
    low: float
    high: float
    p_value: float


def accuracy_test(right: int, n: int, *, level: float = 0.95) -> AccuracyTest:
    """Test ``right`` of ``n`` answers against guessing at 1/2.

    Args:
        right: right answers, 0 to n.
        n: answers, at least 1.
        level: of the interval, between 0 and 1.

    Raises:
        OptionError: a number is out of range.
    """
    low, high = binomial_interval(right, n, level=level)
    return AccuracyTest(right / n, n, low, high, binomial_tail(right, n, 0.5))


def binomial_tail(k: int, n: int, p: float) -> float:
    """Return P(X >= k) of X ~ Binomial(n, p).

    Args:
        k: successes, 0 to n.
        n: trials, at least 1.
        p: their probability, 0 to 1.

    Raises:
        OptionError: a number is out of range.
    """
    _check(k, n)
    if not 0.0 <= p <= 1.0:
        raise OptionError(f"binomial probability {p}: 0 to 1 fits")
    if k == 0 or p == 1.0:
        return 1.0
    if p == 0.0:
        return 0.0
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1.0, n + 1.0)))])
    i = np.arange(k, n + 1)
    log_terms = log_factorial[n] - log_factorial[i] - log_factorial[n - i]
    log_terms += i * np.log(p) + (n - i) * np.log1p(-p)
    return min(1.0, float(np.exp(log_terms).sum()))


def binomial_interval(k: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return Clopper and Pearson's interval of the probability behind k successes of n.

    Args:
        k: successes, 0 to n.
        n: trials, at least 1.
        level: least probability that the interval covers, between 0 and 1.

    Raises:
        OptionError: a number is out of range.
    """
    _check(k, n)
    if not 0.0 < level < 1.0:
        raise OptionError(f"level {level}: between 0 and 1 fits")
    rare = (1.0 - level) / 2.0
    # k or fewer successes are n - k or more failures, so the upper end is a lower one mirrored
    return _lower_end(k, n, rare), 1.0 - _lower_end(n - k, n, rare)


def _lower_end(k: int, n: int, rare: float) -> float:
    """Return the p with P(X >= k) = rare, by halving; the tail grows with p."""
    if k == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if binomial_tail(k, n, middle) < rare:
            low = middle
        else:
            high = middle
    return low


def _check(k: int, n: int) -> None:
    if n < 1 or not 0 <= k <= n:
        raise OptionError(f"{k} successes of {n}: 0 to n of at least 1 fit")
