"""Kernel distances against double loops, torch-fidelity's formula, and what a test must do."""

import itertools

import numpy as np
import pytest

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.kid import MULTIPLES, kernel_distance, mmd, polynomial_mmd
from tinygan.random import Stream

RNG = np.random.default_rng(2)


def pairs_mmd(x, y, kernel, unbiased=True):
    """Compute MMD^2 pair by pair, from its definition."""
    n, m = len(x), len(y)
    xx = [kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j or not unbiased]
    yy = [kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j or not unbiased]
    xy = [kernel(a, b) for a in x for b in y]
    return np.mean(xx) + np.mean(yy) - 2 * np.mean(xy)


def cubic(a, b):
    return (a @ b / len(a) + 1) ** 3


def mixture(widths):
    return lambda a, b: np.mean([np.exp(-((a - b) ** 2).sum() / (2 * s * s)) for s in widths])


def torch_fidelity_mmd(x, y):
    """Take its three matrices, of equal size m, and its sums over them."""
    kxx, kyy, kxy = ((np.matmul(a, b.T) / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    m = len(x)
    off_diagonal = (kxx.sum(1) - np.diagonal(kxx)).sum() + (kyy.sum(1) - np.diagonal(kyy)).sum()
    return off_diagonal / (m * (m - 1)) - 2 * kxy.sum(0).sum() / (m * m)


@pytest.mark.parametrize(("n", "m"), [(20, 20), (7, 13), (2, 2)])
def test_the_polynomial_estimate_is_the_mean_over_pairs(n, m):
    x, y = RNG.normal(size=(n, 5)), RNG.normal(size=(m, 5)) + 0.5
    assert polynomial_mmd(x, y) == pytest.approx(pairs_mmd(x, y, cubic))


def test_degree_gamma_and_coef_are_those_of_the_kernel():
    x, y = RNG.normal(size=(9, 4)), RNG.normal(size=(8, 4))
    found = polynomial_mmd(x, y, degree=2, gamma=0.7, coef=0.2)
    expected = pairs_mmd(x, y, lambda a, b: (0.7 * a @ b + 0.2) ** 2)
    assert found == pytest.approx(expected)


def test_a_linear_kernel_compares_the_means():
    x, y = RNG.normal(size=(4000, 3)), RNG.normal(size=(4000, 3)) + 1
    assert polynomial_mmd(x, y, degree=1, gamma=1.0) == pytest.approx(3.0, rel=0.1)


def test_subsets_of_the_whole_set_give_torch_fidelitys_number_and_no_spread():
    x, y = RNG.normal(size=(50, 8)), RNG.normal(size=(50, 8)) * 1.2
    found = kernel_distance(x, y, subsets=3, subset_size=50)
    assert found.mean == pytest.approx(torch_fidelity_mmd(x, y))
    assert found.std == pytest.approx(0, abs=1e-12)


def test_given_subsets_give_torch_fidelitys_mean_and_deviation():
    x, y = RNG.normal(size=(60, 8)), RNG.normal(size=(70, 8)) * 1.2
    found = kernel_distance(x, y, subsets=5, subset_size=20, seed=9)
    real, fake = Stream(9, "kernel_distance real"), Stream(9, "kernel_distance fake")
    expected = [
        torch_fidelity_mmd(x[real.permutation(60)[:20]], y[fake.permutation(70)[:20]])
        for _ in range(5)
    ]
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.std == pytest.approx(np.std(expected))
    assert (found.subsets, found.subset_size) == (5, 20)


def test_sets_of_one_distribution_have_kernel_distance_zero_on_average():
    found = [
        kernel_distance(*RNG.normal(size=(2, 40, 4)), subsets=1, subset_size=40).mean
        for _ in range(200)
    ]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(200)
    assert min(found) < 0 < max(found)


def test_float32_features_are_summed_in_float64():
    x, y = (RNG.random(size=(30, 512)).astype(np.float32) * 20 for _ in range(2))
    expected = pairs_mmd(x.astype(np.float64), y.astype(np.float64), cubic)
    assert polynomial_mmd(x, y) == pytest.approx(expected)


def test_a_subset_larger_than_a_set_is_refused():
    x = RNG.normal(size=(30, 4))
    with pytest.raises(OptionError, match=r"subset_size=1000 of 30 real and 20 fake.*2 to 20"):
        kernel_distance(x, x[:20])
    with pytest.raises(OptionError, match="subsets=0"):
        kernel_distance(x, x, subsets=0, subset_size=10)
    with pytest.raises(ShapeError, match="N >= 2"):
        kernel_distance(x, x[:1], subset_size=2)


# -- Gaussian kernels and the test -------------------------------------------------------------


@pytest.mark.parametrize("unbiased", [True, False])
def test_the_mixture_estimate_is_the_mean_over_pairs(unbiased):
    x, y = RNG.normal(size=(15, 3)), RNG.normal(size=(11, 3)) + 0.4
    widths = (0.5, 2.0)
    found = mmd(x, y, bandwidths=widths, unbiased=unbiased)
    assert found.value == pytest.approx(pairs_mmd(x, y, mixture(widths), unbiased))
    assert found.bandwidths == widths


def test_bandwidths_are_multiples_of_the_median_distance():
    x, y = RNG.normal(size=(15, 3)), RNG.normal(size=(11, 3)) + 2
    both = np.concatenate([x, y])
    median = np.median([np.linalg.norm(a - b) for a, b in itertools.combinations(both, 2)])
    assert mmd(x, y).bandwidths == pytest.approx(np.multiply(MULTIPLES, median))


def test_the_biased_estimate_of_equal_sets_is_zero():
    x = RNG.normal(size=(20, 3)) + 1e4  # far from zero: centring saves the distances
    assert mmd(x, x[::-1], unbiased=False).value == pytest.approx(0, abs=1e-12)


def test_all_splits_of_a_small_set_give_the_p_value_of_the_exact_test():
    x, y = RNG.normal(size=(4, 2)), RNG.normal(size=(4, 2)) + 0.7
    both, widths = np.concatenate([x, y]), (1.0,)
    observed = pairs_mmd(x, y, mixture(widths))
    larger = []
    for chosen in itertools.combinations(range(8), 4):
        rest = [i for i in range(8) if i not in chosen]
        value = pairs_mmd(both[list(chosen)], both[rest], mixture(widths))
        larger.append(value >= observed - 1e-12)
    exact, count = np.mean(larger), 4000
    found = mmd(x, y, bandwidths=widths, permutations=count).p_value
    assert abs(found - exact) < 4 * np.sqrt(exact * (1 - exact) / count) + 1 / count


def test_p_values_of_one_distribution_are_uniform_and_of_two_are_small():
    def p_value(i, shift):
        x, y = RNG.normal(size=(2, 20, 2))
        return mmd(x, y + shift, bandwidths=(1.0,), permutations=39, seed=i).p_value

    same = np.array([p_value(i, 0.0) for i in range(200)])
    # rejected at 0.1: binomial(200, 0.1), 4 deviations; at 0.5: binomial(200, 0.5)
    assert abs((same <= 0.1).sum() - 20) < 4 * np.sqrt(200 * 0.09)
    assert abs((same <= 0.5).sum() - 100) < 4 * np.sqrt(200 * 0.25)
    assert max(p_value(i, 2.0) for i in range(10)) == 1 / 40


def test_the_same_seed_gives_the_same_test():
    x, y = RNG.normal(size=(2, 20, 2))
    first, again, other = (mmd(x, y, permutations=50, seed=s).p_value for s in (1, 1, 2))
    assert first == again != other


def test_sets_larger_than_a_block_give_the_same_sums(monkeypatch):
    x, y = RNG.normal(size=(40, 3)), RNG.normal(size=(30, 3))
    whole = mmd(x, y, permutations=20)
    monkeypatch.setattr("tinygan.metrics.kid.BLOCK_BYTES", 10_000)
    parts = mmd(x, y, permutations=20)
    assert parts.value == pytest.approx(whole.value)
    assert parts.p_value == whole.p_value


def test_bandwidths_that_give_no_kernel_are_refused():
    x = RNG.normal(size=(5, 2))
    for bad in ((), (0.0,), (1.0, -1.0)):
        with pytest.raises(OptionError, match="above 0"):
            mmd(x, x, bandwidths=bad)
    with pytest.raises(OptionError, match="median"):
        mmd(np.full((4, 3), 0.1), np.full((3, 3), 0.1))
    with pytest.raises(OptionError, match="permutations=-1"):
        mmd(x, x, permutations=-1)
