"""NDB and cluster densities: the test's own level, dropped modes, and scipy's divergence."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import binom, chi2_contingency

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.ndb import cluster_density, ndb

RNG = np.random.default_rng(0)


def gaussians(n, modes=5, gap=20.0):
    owner = RNG.integers(0, modes, n)
    x = RNG.normal(size=(n, 2))
    x[:, 0] += gap * owner
    return x


def test_a_set_does_not_differ_from_itself():
    x = RNG.normal(size=(500, 3))
    found = ndb(x, x, bins=20)
    assert (found.different, found.share, found.js) == (0, 0.0, 0.0)


def test_equal_distributions_differ_in_about_alpha_of_the_bins():
    found = [
        ndb(RNG.normal(size=(2000, 2)), RNG.normal(size=(2000, 2)), bins=50, seed=s).different
        for s in range(8)
    ]
    # the bins were fitted to the real points, whose counts so vary less: the level is an upper one
    low, high = binom.ppf([1e-4, 1 - 1e-4], 8 * 50, 0.05)
    assert low / 4 <= sum(found) <= high


def test_z_squared_is_the_chi_square_of_the_two_by_two_table():
    x, y = gaussians(400), gaussians(250)
    found = ndb(x, y, bins=6)
    for p, q, z in zip(found.real_share, found.fake_share, found.z, strict=True):
        table = np.array([[p * 400, (1 - p) * 400], [q * 250, (1 - q) * 250]])
        chi2 = chi2_contingency(table, correction=False).statistic
        assert z**2 == pytest.approx(chi2, rel=1e-9)


def test_divergence_is_the_one_that_scipy_computes():
    found = ndb(gaussians(300), gaussians(200)[:, ::-1], bins=8)
    assert found.js == pytest.approx(jensenshannon(found.real_share, found.fake_share) ** 2)


def test_a_dropped_mode_is_found_and_its_sign_says_too_few():
    real, fake = gaussians(2000), gaussians(2000)
    fake = fake[fake[:, 0] > 10.0]  # without the first of five
    found = ndb(real, fake, bins=5)
    dropped = found.fake_share == 0.0
    assert dropped.sum() == 1
    assert found.z[dropped] > 10.0
    assert found.different == 5  # the other four hold a quarter each in place of a fifth


def test_collapse_to_one_point_differs_everywhere():
    real = RNG.normal(size=(1000, 2))
    found = ndb(real, np.zeros((1000, 2)), bins=10)
    assert found.share == 1.0
    p = found.real_share[found.fake_share == 1.0][0]
    of_real = p * np.log(2 * p / (1 + p)) + (1 - p) * np.log(2)
    assert found.js == pytest.approx((of_real + np.log(2 / (1 + p))) / 2)


def test_what_does_not_fit_is_refused_in_one_line():
    x = RNG.normal(size=(30, 2))
    with pytest.raises(ShapeError, match="N >= 100"):
        ndb(x, x)
    with pytest.raises(OptionError, match="alpha"):
        ndb(x, x, bins=3, alpha=1.0)
    with pytest.raises(OptionError, match="bins=1"):
        ndb(x, x, bins=1)
    with pytest.raises(ShapeError, match="dimension"):
        ndb(x, x[:, :1], bins=3)


def test_cluster_densities_of_equal_sets_are_one():
    x = gaussians(500)
    found = cluster_density(x, x, clusters=5)
    np.testing.assert_array_equal(found.ratio, 1.0)
    assert (found.coverage, found.entropy) == (1.0, 1.0)
    assert (np.diff(found.real_share) <= 0.0).all()


def test_a_dropped_cluster_has_density_zero_and_no_example():
    real = np.repeat(np.eye(4) * 10.0, [4, 3, 2, 1], axis=0) + 0.01 * RNG.normal(size=(10, 4))
    fake = real[:7]  # four of the first, three of the second
    found = cluster_density(real, fake, clusters=4)
    np.testing.assert_allclose(found.real_share, [0.4, 0.3, 0.2, 0.1])
    np.testing.assert_allclose(found.ratio, [10 / 7, 10 / 7, 0.0, 0.0])
    assert found.coverage == 0.5
    shares = [np.array([4 / 7, 3 / 7]), np.array([0.4, 0.3, 0.2, 0.1])]
    fakes, reals = (-(p * np.log(p)).sum() for p in shares)
    assert found.entropy == pytest.approx(fakes / reals)
    np.testing.assert_array_equal(found.fake_example[2:], [-1, -1])
    np.testing.assert_array_equal(found.fake_example[:2], found.real_example[:2])
    assert found.real_example[3] == 9


def test_one_cluster_is_spread_as_the_other():
    x = RNG.normal(size=(20, 2))
    found = cluster_density(x, x[:3], clusters=1)
    assert (found.entropy, found.ratio[0]) == (1.0, 1.0)
