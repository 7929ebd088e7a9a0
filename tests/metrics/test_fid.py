"""The Frechet distance against its closed forms."""

import numpy as np
import pytest

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.fid import frechet_distance, gaussian_statistics

RNG = np.random.default_rng(0)


def random_covariance(d, rank=None):
    a = RNG.normal(size=(d, rank or d + 2))
    return a @ a.T / a.shape[1]


def test_equal_gaussians_have_distance_zero():
    mu, cov = RNG.normal(size=7), random_covariance(7)
    assert frechet_distance(mu, cov, mu, cov) == pytest.approx(0.0, abs=1e-12)


def test_one_dimension_is_difference_of_means_and_deviations():
    # (m1 - m2)^2 + (s1 - s2)^2
    assert frechet_distance([1.0], [[4.0]], [3.0], [[9.0]]) == pytest.approx(4.0 + 1.0)


def test_scalars_are_taken_as_one_dimension():
    assert frechet_distance(1.0, 4.0, 3.0, 9.0) == pytest.approx(5.0)


def test_commuting_covariances_compare_root_by_root():
    q, _ = np.linalg.qr(RNG.normal(size=(6, 6)))
    a, b = RNG.uniform(0.1, 5, 6), RNG.uniform(0.1, 5, 6)
    expected = ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    zero = np.zeros(6)
    found = frechet_distance(zero, q * a @ q.T, zero, q * b @ q.T)
    assert found == pytest.approx(expected)


def test_general_covariances_agree_with_the_eigenvalues_of_the_product():
    c1, c2 = random_covariance(9), random_covariance(9)
    mu1, mu2 = RNG.normal(size=9), RNG.normal(size=9)
    root_trace = np.sqrt(np.linalg.eigvals(c1 @ c2).real).sum()
    expected = ((mu1 - mu2) ** 2).sum() + np.trace(c1 + c2) - 2 * root_trace
    assert frechet_distance(mu1, c1, mu2, c2) == pytest.approx(expected)


def test_distance_is_symmetric_and_invariant_under_rotation():
    c1, c2 = random_covariance(5), random_covariance(5)
    mu1, mu2 = RNG.normal(size=5), RNG.normal(size=5)
    q, _ = np.linalg.qr(RNG.normal(size=(5, 5)))
    d = frechet_distance(mu1, c1, mu2, c2)
    assert frechet_distance(mu2, c2, mu1, c1) == pytest.approx(d)
    assert frechet_distance(q @ mu1, q @ c1 @ q.T, q @ mu2, q @ c2 @ q.T) == pytest.approx(d)


def test_singular_covariances_give_a_real_number_at_least_zero():
    c = random_covariance(20, rank=3)
    zero = np.zeros(20)
    assert 0.0 <= frechet_distance(zero, c, zero, c) < 1e-6
    assert frechet_distance(zero, c, zero, np.zeros((20, 20))) == pytest.approx(np.trace(c))


def test_statistics_divide_by_n_minus_one():
    mean, cov = gaussian_statistics(np.array([[0.0, 1.0], [2.0, 5.0]], dtype=np.float32))
    assert mean.dtype == cov.dtype == np.float64
    np.testing.assert_allclose(mean, [1.0, 3.0])
    np.testing.assert_allclose(cov, [[2.0, 4.0], [4.0, 8.0]])


def test_statistics_of_samples_approach_the_distance_of_their_gaussians():
    x = RNG.normal(size=(20_000, 3))
    y = 2.0 * RNG.normal(size=(20_000, 3)) + 1.0
    found = frechet_distance(*gaussian_statistics(x), *gaussian_statistics(y))
    assert found == pytest.approx(3.0 + 3.0, rel=0.03)


def test_misfitting_shapes_are_named():
    with pytest.raises(ShapeError, match=r"\(3, 3\)"):
        frechet_distance(np.zeros(2), np.eye(2), np.zeros(2), np.eye(3))
    with pytest.raises(ShapeError, match="N >= 2"):
        gaussian_statistics(np.zeros((1, 4)))


def test_a_covariance_that_is_not_finite_is_refused():
    with pytest.raises(OptionError, match="finite"):
        frechet_distance([0.0], [[np.nan]], [0.0], [[1.0]])
