"""Precision, recall, density, coverage: small cases by hand, and the package's full matrices."""

import numpy as np
import pytest

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.prdc import prdc

RNG = np.random.default_rng(5)


def matrix(x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    return np.array([np.sqrt(((row - y) ** 2).sum(axis=1)) for row in x])


def radii(x, k):
    """Return distances to the k-th neighbour: the (k+1)-th smallest, for the first is itself."""
    return np.sort(matrix(x, x), axis=1)[:, k]


def package(real, fake, k):
    """Compute the four numbers of the ``prdc`` package, which all use one k and a strict <."""
    to_real, to_fake, between = radii(real, k), radii(fake, k), matrix(real, fake)
    inside = between < to_real[:, None]
    return (
        inside.any(axis=0).mean(),
        (between < to_fake[None, :]).any(axis=1).mean(),
        inside.sum(axis=0).mean() / k,
        (between.min(axis=1) < to_real).mean(),
    )


@pytest.mark.parametrize("block_bytes", [5_000, 1 << 28])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_numbers_are_those_of_the_package(k, block_bytes):
    real = RNG.normal(size=(90, 6)).astype(np.float32)
    fake = (RNG.normal(size=(70, 6)) * 0.8 + 0.4).astype(np.float32)
    found = prdc(real, fake, k=k, k_density=k, block_bytes=block_bytes)
    expected = package(real, fake, k)
    assert (found.precision, found.recall, found.coverage) == expected[:2] + expected[3:]
    assert found.density == pytest.approx(expected[2])  # a mean of means, rounded otherwise
    assert 0 < min(expected) < 1


def test_each_pair_has_a_k_of_its_own():
    real, fake = RNG.normal(size=(60, 4)), RNG.normal(size=(50, 4)) + 0.5
    found = prdc(real, fake)
    three, five = package(real, fake, 3), package(real, fake, 5)
    assert (found.precision, found.recall) == three[:2]
    assert (found.density, found.coverage) == pytest.approx(five[2:])
    assert (found.k, found.k_density) == (3, 5)


def test_points_on_a_line_by_hand():
    # balls with k = 1: real 0, 1 and 3 reach 1, 1 and 2; fake 0.5 and 9 reach 8.5 each
    real, fake = np.array([[0.0], [1.0], [3.0]]), np.array([[0.5], [9.0]])
    found = prdc(real, fake, k=1, k_density=1)
    assert found.precision == 1 / 2  # 0.5 is near, 9 is not
    assert found.recall == 1.0
    assert found.density == 2 / 2  # 0.5 is in the balls of 0 and 1, and not in that of 3
    assert found.coverage == 2 / 3


def test_a_fake_on_a_balls_surface_is_precise_and_not_dense():
    # the ball of real 0 reaches 1, where the fake lies; those of 5 and 6 reach 1, that of -1 too
    real, fake = np.array([[0.0], [-1.0], [5.0], [6.0]]), np.array([[1.0], [30.0], [40.0]])
    found = prdc(real, fake, k=1, k_density=1)
    assert found.precision == 1 / 3
    assert (found.density, found.coverage) == (0.0, 0.0)


def test_identical_sets_are_precise_recalled_and_covered():
    x = RNG.normal(size=(80, 5)).astype(np.float32) + 10
    found = prdc(x, x)
    assert (found.precision, found.recall, found.coverage) == (1.0, 1.0, 1.0)
    assert found.density == 1.0  # itself and the four before the fifth: 5 of 5


def test_sets_far_apart_have_nothing_in_common():
    x = RNG.normal(size=(30, 5))
    found = prdc(x, x + 1000)
    assert (found.precision, found.recall, found.density, found.coverage) == (0, 0, 0, 0)


def test_a_collapsed_set_is_precise_and_recalls_nothing():
    real = RNG.normal(size=(60, 4))
    found = prdc(real, np.repeat(real[:1] + 0.01, 30, axis=0))
    assert found.precision == 1.0
    assert found.recall == 0.0
    assert found.coverage < 0.3


def test_one_distribution_has_density_1_and_the_coverage_of_the_paper():
    # arXiv:2002.09797, lemma 2: E coverage = 1 - (N-1)...(N-k) / (M+N-1)...(M+N-k)
    n = m = 60
    k, repeats = 5, 40
    found = [prdc(*RNG.normal(size=(2, n, 3))) for _ in range(repeats)]
    expected = 1 - np.prod([(n - i) / (n + m - i) for i in range(1, k + 1)])
    coverage = np.array([f.coverage for f in found])
    assert abs(coverage.mean() - expected) < 4 * coverage.std() / np.sqrt(repeats)
    density = np.array([f.density for f in found])
    assert abs(density.mean() - 1) < 4 * density.std() / np.sqrt(repeats)


def test_a_k_that_does_not_fit_is_refused():
    x = RNG.normal(size=(6, 2))
    for bad in ({"k": 6}, {"k": 0}, {"k_density": 6}, {"k_density": 0}):
        with pytest.raises(OptionError, match="6 real and 6 fake features: use k of 1 to 5"):
            prdc(x, x, **bad)
    with pytest.raises(OptionError, match="use k of 1 to 2"):
        prdc(x, x[:3])
    with pytest.raises(ShapeError, match="differ in dimension"):
        prdc(x, x[:, :1])
