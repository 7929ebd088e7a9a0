"""Two-sample tests: level on equal distributions, power on others, and parts that tell why."""

import importlib

import numpy as np
import pytest

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.c2st import METHODS, c2st, nearest_neighbour_test


def gaussian(n, d=4, seed=0, shift=0.0):
    return np.random.default_rng(seed).normal(size=(n, d)) + shift


@pytest.mark.parametrize("method", ["knn", "logistic"])
def test_p_values_of_one_distribution_are_nearly_uniform(method):
    p = np.array(
        [
            c2st(gaussian(60, seed=2 * i), gaussian(60, seed=2 * i + 1), method=method).p_value
            for i in range(200)
        ]
    )
    # of 200 tests at level 0.1, 20 reject; five standard deviations of 4.2 are 21
    assert (p < 0.1).sum() <= 41
    assert (p < 0.5).sum() >= 60  # a p-value that is always large tests nothing
    # a count of 60 has steps of 0.1 in p, so its mean is a little above 1/2
    assert abs(p.mean() - 0.55) < 0.1


@pytest.mark.parametrize("method", METHODS)
def test_a_shift_is_rejected_by_every_method(method):
    found = c2st(gaussian(200), gaussian(200, seed=1, shift=1.0), method=method)
    assert found.p_value < 1e-6
    assert found.low > 0.5
    assert found.n == 200


@pytest.mark.parametrize("method", METHODS)
def test_the_bayes_accuracy_is_approached(method):
    # two unit normals 2 apart in one direction: Phi(1) = 0.841; 1,200 tests: 4 sigma = 0.042
    shift = np.array([2.0, 0.0, 0.0, 0.0])
    found = c2st(gaussian(1200), gaussian(1200, seed=1, shift=shift), method=method)
    assert found.accuracy == pytest.approx(0.841, abs=0.05)


def test_the_net_keeps_its_level():
    p = [
        c2st(gaussian(40, seed=2 * i), gaussian(40, seed=2 * i + 1), method="mlp").p_value
        for i in range(8)
    ]
    assert sum(x < 0.05 for x in p) <= 3  # P(4 or more of 8) is 4e-4


def test_curved_differences_need_a_curved_classifier():
    wide = 3 * gaussian(300, seed=1)  # same mean, other spread: no plane separates them
    assert c2st(gaussian(300), wide, method="mlp").p_value < 1e-6
    assert c2st(gaussian(300), wide, method="logistic").accuracy < 0.6


def test_tests_repeat_bit_for_bit_and_seeds_differ():
    x, y = gaussian(100), gaussian(130, seed=1, shift=0.3)
    assert c2st(x, y, method="mlp") == c2st(x, y, method="mlp")
    assert len({c2st(x, y, seed=s).accuracy for s in range(5)}) > 1


def test_training_and_test_half_share_no_row(monkeypatch):
    seen = {}
    module = importlib.import_module("tinygan.metrics.c2st")  # the package's name is the function
    monkeypatch.setattr(
        module, "vote", lambda x, y, q, k: seen.update(x=x, y=y, q=q, k=k) or np.zeros(len(q))
    )
    found = c2st(gaussian(51), gaussian(60, seed=1))
    assert found.accuracy == 0.5  # always "real" is right for half of a balanced test half
    assert len(seen["x"]) == 50
    assert len(seen["q"]) == 52
    assert seen["k"] == 7
    assert seen["y"].sum() == 25
    together = np.concatenate([seen["x"], seen["q"]])
    assert len(np.unique(together[:, 0])) == 102


def slow_leave_one_out(real, fake):
    pool = np.concatenate([real, fake])
    kind = np.arange(len(pool)) >= len(real)
    right = []
    for i, x in enumerate(pool):
        distance = ((pool - x) ** 2).sum(1)
        distance[i] = np.inf
        right.append(kind[distance.argmin()] == kind[i])
    return np.mean(right[: len(real)]), np.mean(right[len(real) :])


def test_leave_one_out_accuracies_are_those_of_a_loop():
    real, fake = gaussian(40), gaussian(40, seed=1, shift=0.7)
    found = nearest_neighbour_test(real, fake)
    assert (found.real, found.fake) == pytest.approx(slow_leave_one_out(real, fake))
    assert found.accuracy == pytest.approx((found.real + found.fake) / 2)
    assert found.n == 40


def test_leave_one_out_is_half_for_one_distribution_and_one_for_two():
    same = nearest_neighbour_test(gaussian(500), gaussian(500, seed=1))
    assert abs(same.accuracy - 0.5) < 0.08  # 5 sigma of 1,000 answers
    assert nearest_neighbour_test(gaussian(50), gaussian(50, shift=20.0)).accuracy == 1.0


def test_copies_score_zero_and_a_collapse_shows_in_the_parts():
    real = gaussian(50)
    assert nearest_neighbour_test(real, real + 1e-3).accuracy == 0.0
    # in 64 dimensions a centre is at 8 from the points, which are at 11 from each other
    wide = gaussian(50, d=64)
    found = nearest_neighbour_test(wide, wide.mean(axis=0) + 1e-3 * gaussian(50, d=64, seed=1))
    assert (found.real, found.fake) == (0.0, 1.0)


def test_bad_sets_are_refused_in_one_line():
    with pytest.raises(ShapeError, match="differ in dimension"):
        c2st(gaussian(10), gaussian(10, d=3))
    with pytest.raises(ShapeError, match="4 rows"):
        c2st(gaussian(10), gaussian(3))
    with pytest.raises(ShapeError, match="2 rows"):
        nearest_neighbour_test(gaussian(1), gaussian(9))
    with pytest.raises(OptionError, match="not finite"):
        c2st(gaussian(10), np.full((10, 4), np.nan))
    with pytest.raises(OptionError, match="knn, logistic, mlp"):
        c2st(gaussian(10), gaussian(10), method="svm")
