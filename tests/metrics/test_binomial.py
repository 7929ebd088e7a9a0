"""The binomial test against SciPy's."""

import pytest
from scipy import stats

from tinygan.errors import OptionError
from tinygan.metrics.binomial import accuracy_test, binomial_interval, binomial_tail

CASES = [(0, 10, 0.5), (10, 10, 0.5), (7, 10, 0.3), (501, 1000, 0.5), (52_000, 100_000, 0.5)]


@pytest.mark.parametrize(("k", "n", "p"), CASES)
def test_tails_are_scipys(k, n, p):
    # sums of 1e5 logarithms keep ten digits
    assert binomial_tail(k, n, p) == pytest.approx(stats.binom.sf(k - 1, n, p), rel=1e-9)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (7, 10), (501, 1000)])
def test_intervals_are_clopper_and_pearsons(k, n):
    oracle = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
    assert binomial_interval(k, n) == pytest.approx((oracle.low, oracle.high), abs=1e-9)


def test_certain_outcomes_have_certain_tails():
    assert binomial_tail(0, 5, 0.0) == 1.0
    assert binomial_tail(1, 5, 0.0) == 0.0
    assert binomial_tail(5, 5, 1.0) == 1.0


def test_an_accuracy_is_tested_against_guessing():
    found = accuracy_test(60, 100)
    assert (found.accuracy, found.n) == (0.6, 100)
    oracle = stats.binomtest(60, 100, 0.5, alternative="greater").pvalue
    assert found.p_value == pytest.approx(oracle)
    assert found.low < 0.6 < found.high


def test_impossible_counts_are_refused():
    for k, n in ((3, 2), (-1, 2), (0, 0)):
        with pytest.raises(OptionError, match="successes"):
            binomial_tail(k, n, 0.5)
    with pytest.raises(OptionError, match="probability"):
        binomial_tail(1, 2, 1.5)
    with pytest.raises(OptionError, match="level"):
        binomial_interval(1, 2, level=1.0)
