"""The birthday estimate of a support, against distributions whose support is known."""

import math

import numpy as np
import pytest
from scipy import stats

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.birthday import (
    _poisson_interval,
    alike_distance,
    compare_support,
    support,
)

RNG = np.random.default_rng(0)


def test_a_uniform_distribution_over_n_things_has_support_n():
    things = RNG.normal(size=(200, 16))
    inside = 0
    for _ in range(100):
        found = support(things[RNG.integers(0, 200, size=300)], within=1e-3)
        inside += found.low <= 200 <= found.high
        assert 120 < found.size < 330
    assert inside >= 88  # of 100 at 95 %: fewer has a probability below 0.5 %


def test_pairs_are_counted_as_a_loop_counts_them():
    x = RNG.normal(size=(60, 3))
    pairs = [(i, j) for i in range(60) for j in range(i)]
    alike = sum(np.linalg.norm(x[i] - x[j]) <= 0.5 for i, j in pairs)
    found = support(x, within=0.5)
    assert (found.alike, found.samples) == (alike, 60)
    assert found.size == len(pairs) / alike


def test_without_a_pair_alike_there_is_a_lower_bound_alone():
    found = support(np.arange(40.0)[:, None], within=0.5)
    assert found.size == found.high == math.inf
    # the exact upper end of a Poisson mean with nothing counted is -log(0.025) = 3.69
    assert found.low == pytest.approx(40 * 39 / 2 / 3.69, rel=0.01)


def test_copies_far_from_the_origin_are_alike():
    x = np.repeat(RNG.normal(size=(10, 50)) + 1e6, 2, axis=0).astype(np.float32)
    assert support(x, within=0.0).alike == 10


@pytest.mark.parametrize("count", [1, 3, 10, 200])
def test_the_interval_is_that_of_the_chi_square_quantiles(count):
    exact = stats.chi2.ppf(0.025, 2 * count) / 2, stats.chi2.ppf(0.975, 2 * count + 2) / 2
    # Wilson and Hilferty's cube root is good to some percent of the lower end at one count
    np.testing.assert_allclose(_poisson_interval(count), exact, rtol=0.01, atol=0.03)


def test_fakes_of_few_things_have_a_smaller_support_than_reals():
    real = RNG.normal(size=(500, 8))
    fresh = compare_support(real, RNG.normal(size=(700, 8)))
    assert fresh[0].samples == fresh[1].samples == 500
    assert fresh[1].low < fresh[0].size
    _, few = compare_support(real, real[RNG.integers(0, 20, size=500)])
    assert 15 < few.size < 25


def test_a_share_of_real_points_have_a_neighbour_as_near():
    real = RNG.normal(size=(400, 2))
    within = alike_distance(real, share=0.1)
    distance = np.linalg.norm(real[:, None] - real, axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (distance.min(axis=1) <= within).mean() == pytest.approx(0.1, abs=0.005)


def test_sets_that_make_no_sense_are_named():
    with pytest.raises(ShapeError, match="support"):
        support(np.zeros((1, 3)), within=1.0)
    with pytest.raises(OptionError, match="within=-1"):
        support(np.zeros((3, 3)), within=-1.0)
    with pytest.raises(OptionError, match="share=0"):
        alike_distance(np.zeros((3, 3)), share=0.0)
    with pytest.raises(ShapeError):
        compare_support(np.zeros((3, 3)), np.zeros((3, 4)))
    with pytest.raises(OptionError):
        support(np.full((3, 3), np.nan), within=1.0)
