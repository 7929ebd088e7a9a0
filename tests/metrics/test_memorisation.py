"""Copies of the training set are flagged, fresh samples are not; ranks against SciPy's."""

import numpy as np
import pytest
from scipy import stats

from tinygan import data
from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.memorisation import (
    copying_by_cell,
    copying_test,
    memorisation_gap,
    rank_sum_z,
)


def sample(n, seed, d=4):
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize("decimals", [8, 1, 0])
def test_rank_sums_are_scipys_with_ties_too(decimals):
    x, y = sample(70, 0, 1)[:, 0].round(decimals), sample(50, 1, 1)[:, 0].round(decimals) + 0.2
    oracle = stats.mannwhitneyu(x, y, method="asymptotic", use_continuity=False, alternative="less")
    assert stats.norm.cdf(rank_sum_z(x, y)) == pytest.approx(oracle.pvalue)


def test_rank_sum_in_closed_form():
    # all of x below y: U = 0, variance n m (n + m + 1) / 12
    assert rank_sum_z(np.arange(3.0), np.arange(5.0) + 9) == pytest.approx(-7.5 / np.sqrt(11.25))
    assert rank_sum_z(np.ones(4), np.ones(6)) == 0.0


def test_copies_are_flagged_and_fresh_samples_are_not():
    train, held_out, fresh = sample(500, 0), sample(300, 1), sample(300, 2)
    copies = train[:300] + 0.01 * sample(300, 3)
    found = copying_test(train, held_out, copies)
    assert found.copied
    assert found.z < -15
    assert found.p_value < 1e-50
    assert found.fake_distance < 0.1 * found.held_out_distance
    clean = copying_test(train, held_out, fresh)
    assert not clean.copied
    assert abs(clean.z) < 4


def test_fakes_off_the_data_have_a_large_z():
    assert copying_test(sample(300, 0), sample(100, 1), 3 * sample(100, 2)).z > 5


def test_the_statistic_of_fresh_samples_is_standard_normal():
    train = sample(200, 0)
    z = [copying_test(train, sample(50, 2 * i + 1), sample(50, 2 * i + 2)).z for i in range(200)]
    # 200 draws: five standard errors of mean and deviation
    assert abs(np.mean(z)) < 0.36
    assert abs(np.std(z) - 1) < 0.25


def two_places(n, seed, first=1.0):
    """Give points around 0 and around 50, with another spread of those around 0."""
    x = sample(n, seed)
    x[: n // 2] *= first
    x[n // 2 :] += 50
    return x


def test_copies_in_one_place_show_in_their_cell_behind_others_that_lie_off():
    train, held_out = two_places(600, 0), two_places(400, 1)
    fake = two_places(400, 2, first=3.0)  # around 0 too far out ...
    fake[200:] = train[300:500] + 0.01 * sample(200, 3)  # ... and around 50 copies
    assert not copying_test(train, held_out, fake).copied
    found = copying_by_cell(train, held_out, fake, cells=2)
    assert min(found.z) < -10
    assert max(found.z) > 5
    np.testing.assert_allclose(found.share, [0.5, 0.5])


def test_c_t_is_the_weighted_mean_of_the_cells_tests():
    train, held_out, fake = two_places(600, 0), two_places(400, 1)[:350], two_places(400, 2)
    found = copying_by_cell(train, held_out, fake, cells=2)
    by_hand = [
        copying_test(*(x[(x[:, 0] > 25) == far] for x in (train, held_out, fake))).z
        for far in (False, True)
    ]
    assert sorted(found.z) == pytest.approx(sorted(by_hand))
    c_t = (200 * by_hand[0] + 150 * by_hand[1]) / 350
    assert found.c_t == pytest.approx(c_t)
    deviation = np.sqrt(200**2 + 150**2) / 350
    assert found.p_value == pytest.approx(stats.norm.cdf(c_t / deviation))


def test_c_t_of_fresh_samples_is_near_zero_and_of_copies_far_below():
    train, held_out = sample(800, 0), sample(400, 1)
    fresh = copying_by_cell(train, held_out, sample(400, 2), cells=4)
    assert fresh.p_value > 1e-4
    copied = copying_by_cell(train, held_out, train[:400] + 0.01 * sample(400, 3), cells=4)
    assert copied.c_t < -5
    assert copied.p_value < 1e-20


def test_cells_with_too_few_samples_are_left_out():
    train, held_out, fake = two_places(600, 0), two_places(400, 1), sample(100, 2)
    found = copying_by_cell(train, held_out, fake, cells=2)
    assert np.isnan(found.z).sum() == 1
    with pytest.raises(OptionError, match="fewer cells"):
        copying_by_cell(train, held_out, fake[:10], cells=2)


def test_the_gap_is_minus_one_for_copies_and_near_zero_for_fresh_samples():
    train, held_out = sample(400, 0), sample(400, 1)
    copied = memorisation_gap(train, held_out, train)
    assert copied.gap == pytest.approx(-1.0)
    assert copied.t < -20
    fresh = memorisation_gap(train, held_out, sample(400, 2))
    assert abs(fresh.gap) < 0.1
    assert fresh.n == 400


def test_the_gap_in_closed_form():
    train, held_out = np.array([[0.0], [10.0]]), np.array([[2.0], [12.0]])
    found = memorisation_gap(train, held_out, np.array([[0.5], [11.5]]))
    # to train 0.5 and 1.5, to held-out 1.5 and 0.5
    assert (found.to_train, found.to_held_out, found.gap, found.t) == (1.0, 1.0, 0.0, 0.0)
    found = memorisation_gap(train, held_out, np.array([[0.5], [10.0]]))
    # differences -1 and -2
    assert found.gap == pytest.approx((0.25 - 1.75) / 1.75)
    assert found.t == pytest.approx(-1.5 / (np.sqrt(0.5) / np.sqrt(2)))


def test_a_larger_training_set_is_thinned_so_that_size_alone_shows_no_gap():
    train, held_out, fresh = sample(3000, 0), sample(200, 1), sample(500, 2)
    found = memorisation_gap(train, held_out, fresh)
    assert found.n == 200
    assert abs(found.gap) < 0.1
    assert found == memorisation_gap(train, held_out, fresh)
    assert found != memorisation_gap(train, held_out, fresh, seed=1)


def test_digits_that_were_copied_are_told_from_digits_that_were_not():
    x = data.load("digits").arrays
    shuffled = x[np.random.default_rng(0).permutation(len(x))]
    train, held_out, fresh = shuffled[:900], shuffled[900:1300], shuffled[1300:1700]
    assert copying_test(train, held_out, train[:200] * 0.95).copied
    assert abs(copying_test(train, held_out, fresh).z) < 4
    assert memorisation_gap(train, held_out, train[:200]).gap < -0.3
    assert abs(memorisation_gap(train, held_out, fresh).gap) < 0.1


def test_bad_sets_are_refused_in_one_line():
    x = sample(10, 0)
    with pytest.raises(ShapeError, match=r"\(N, d\)"):
        copying_test(x, x[:, :2], x)
    with pytest.raises(ShapeError, match="N >= 2"):
        copying_test(x, x[:1], x)
    with pytest.raises(ShapeError, match="N >= 1"):
        memorisation_gap(x[:0], x, x)
    with pytest.raises(OptionError, match="not finite"):
        copying_test(x, x, np.full_like(x, np.nan))
    with pytest.raises(OptionError, match="held out"):
        memorisation_gap(x[:5], x[5:], x[5:])
