"""Bootstrap intervals: they hold what they should as often as they say."""

import numpy as np
import pytest

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.fid import frechet_distance_of_features
from tinygan.metrics.interval import Interval, bootstrap

RNG = np.random.default_rng(6)


def test_intervals_of_a_mean_hold_the_truth_as_often_as_they_say():
    # binomial(200, 0.94), 4 deviations: quantiles of 200 replicates are short by about 0.01
    held = 0
    for seed in range(200):
        x = RNG.normal(size=100) + 3
        found = bootstrap(np.mean, x, seed=seed)
        held += found.low <= 3.0 <= found.high
    assert abs(held / 200 - 0.94) < 4 * np.sqrt(0.94 * 0.06 / 200)


def test_intervals_of_a_mean_are_those_of_its_normal_theory():
    x = RNG.normal(size=400) * 2
    found = bootstrap(np.mean, x, resamples=2000)
    half = 1.96 * x.std(ddof=1) / 20
    assert found.value == x.mean()
    # a 2.5 % quantile of 2000 normal draws has a deviation of 6 % of the half width
    assert (found.low, found.high) == pytest.approx(
        (x.mean() - half, x.mean() + half), abs=half / 5
    )


def test_intervals_shrink_with_the_root_of_the_sample():
    widths = []
    for n in (100, 400, 1600):
        found = bootstrap(np.mean, RNG.normal(size=n), resamples=1000)
        widths.append(found.high - found.low)
    # widths of 1000 replicates have a deviation of 4 %, the sample's own deviation adds 7 %
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.3)
    assert widths[1] / widths[2] == pytest.approx(2, rel=0.3)


def test_a_biased_statistics_interval_holds_its_value_and_moves_as_its_replicates():
    # with 30 rows of 20 features a resampled set is far from any other: the plain interval is off
    x, y = RNG.normal(size=(30, 20)), RNG.normal(size=(30, 20))
    found = bootstrap(frechet_distance_of_features, x, y, resamples=60)
    assert found.low < found.value < found.high
    drawn = [
        frechet_distance_of_features(x[RNG.integers(30, size=30)], y[RNG.integers(30, size=30)])
        for _ in range(60)
    ]
    assert np.quantile(drawn, 0.025) > found.value
    width = np.quantile(drawn, 0.975) - np.quantile(drawn, 0.025)
    assert found.high - found.low == pytest.approx(width, rel=0.5)


def test_each_set_is_drawn_by_itself():
    x, y = RNG.normal(size=50), RNG.normal(size=80)
    found = bootstrap(lambda a, b: float(a.mean() - b.mean()), x, y, resamples=2000)
    half = 1.96 * np.sqrt(x.var(ddof=1) / 50 + y.var(ddof=1) / 80)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.15)
    # one set drawn twice with the same rows would cancel
    twice = bootstrap(lambda a, b: float(a.mean() - b.mean()), x, x)
    assert twice.high > 0.1 > -0.1 > twice.low


def test_rows_of_matrices_stay_whole():
    x = np.repeat(np.arange(10.0)[:, None], 3, axis=1)
    seen = []
    bootstrap(lambda a: float(seen.append(a) or 0.0), x, resamples=20)
    assert len(seen) == 21
    assert all((a == a[:, :1]).all() and a.shape == (10, 3) for a in seen)


def test_the_same_seed_gives_the_same_interval():
    x = RNG.normal(size=40)
    assert bootstrap(np.mean, x, seed=1) == bootstrap(np.mean, x, seed=1)
    assert bootstrap(np.mean, x, seed=1) != bootstrap(np.mean, x, seed=2)


def test_an_interval_prints_its_ends():
    assert str(Interval(2.5, 2.0, 3.25, 0.95, 200)) == "2.5 [2, 3.25]"


def test_what_gives_no_interval_is_refused():
    x = RNG.normal(size=10)
    for bad in ({"level": 1.0}, {"level": 0.0}, {"resamples": 19}):
        with pytest.raises(OptionError, match="fit"):
            bootstrap(np.mean, x, **bad)
    with pytest.raises(ShapeError, match="none"):
        bootstrap(np.mean)
    with pytest.raises(ShapeError, match=r"\(1,\)"):
        bootstrap(np.mean, x[:1])
    with pytest.raises(OptionError, match="finite"):
        bootstrap(lambda a: float("nan"), x)
