"""The Frechet distance against its closed forms and other packages' arithmetic."""

import warnings

import numpy as np
import pytest

from tinygan.errors import DataError, OptionError, ShapeError
from tinygan.metrics.fid import (
    _nuclear_norm,
    fid_infinity,
    frechet_distance,
    frechet_distance_of_features,
    frechet_distance_of_moments,
    gaussian_statistics,
    per_class_frechet,
)
from tinygan.metrics.moments import Moments

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


# -- other packages' arithmetic on the same features, written from their descriptions ----------


def pytorch_fid(real, fake):
    """Square root of the product; 1e-6 on the diagonals where it comes out not finite."""
    linalg = pytest.importorskip("scipy.linalg", reason="scipy is not installed")
    mu1, mu2 = real.mean(axis=0), fake.mean(axis=0)
    c1, c2 = (np.atleast_2d(np.cov(a, rowvar=False)) for a in (real, fake))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy says that a product is singular
        root = linalg.sqrtm(c1 @ c2)
        if not np.isfinite(root).all():
            eye = 1e-6 * np.eye(len(c1))
            root = linalg.sqrtm((c1 + eye) @ (c2 + eye))
    shift = mu1 - mu2
    return shift @ shift + np.trace(c1) + np.trace(c2) - 2 * np.trace(root).real


def torch_fidelity(real, fake):
    """Sum of the roots of the product's eigenvalues, real part."""
    mu1, mu2 = real.mean(axis=0), fake.mean(axis=0)
    c1, c2 = (np.atleast_2d(np.cov(a, rowvar=False)) for a in (real, fake))
    roots = np.sqrt(np.linalg.eigvals(c1 @ c2).astype(np.complex128)).real
    shift = mu1 - mu2
    return shift @ shift + np.trace(c1) + np.trace(c2) - 2 * roots.sum()


def low_rank(n, d, rank):
    return RNG.normal(size=(n, rank)) @ RNG.normal(size=(rank, d)) + RNG.normal(size=d)


SETS = {
    "full rank": (RNG.normal(size=(300, 24)), RNG.normal(size=(200, 24)) * 1.5 + 0.3),
    "n < d": (RNG.normal(size=(15, 40)), RNG.normal(size=(11, 40)) + 1),
    "n < d < m": (RNG.normal(size=(15, 40)), RNG.normal(size=(90, 40)) + 1),
    "n = 2": (RNG.normal(size=(2, 12)), RNG.normal(size=(2, 12))),
    "rank deficient": (low_rank(200, 30, 6), low_rank(150, 30, 9)),
    "one rank deficient": (low_rank(200, 30, 6), RNG.normal(size=(150, 30))),
    "dead features": (
        np.maximum(RNG.normal(size=(200, 20)) - np.arange(20), 0),
        np.maximum(RNG.normal(size=(200, 20)) - np.arange(20)[::-1], 0),
    ),
    "one dimension": (RNG.normal(size=(50, 1)), RNG.normal(size=(60, 1)) * 3),
    "wide spectrum": (
        RNG.normal(size=(400, 32)) * 10.0 ** -np.arange(0, 8, 0.25),
        RNG.normal(size=(400, 32)) * 10.0 ** -np.arange(0, 8, 0.25),
    ),
    "float32": (
        RNG.normal(size=(100, 16)).astype(np.float32),
        RNG.normal(size=(100, 16)).astype(np.float32),
    ),
}


@pytest.mark.parametrize("oracle", [pytorch_fid, torch_fidelity])
@pytest.mark.parametrize("name", SETS)
def test_other_packages_arithmetic_on_the_same_features(name, oracle):
    real, fake = (a.astype(np.float64) for a in SETS[name])
    # what issue and packages call equal: singular products carry 1e-8 of the trace in their roots
    tolerance = 1e-6 * (np.var(real, axis=0).sum() + np.var(fake, axis=0).sum())
    expected = oracle(real, fake)
    assert frechet_distance_of_features(*SETS[name]) == pytest.approx(expected, abs=tolerance)
    found = frechet_distance(*gaussian_statistics(real), *gaussian_statistics(fake))
    assert found == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("name", SETS)
def test_features_and_their_statistics_give_one_distance(name):
    real, fake = SETS[name]
    statistics = (*gaussian_statistics(real), *gaussian_statistics(fake))
    # a singular covariance's rounding is eps of its norm in each entry, so its root's is 1e-8
    scale = np.trace(statistics[1]) + np.trace(statistics[3])
    found = frechet_distance_of_features(real, fake)
    assert found == pytest.approx(frechet_distance(*statistics), abs=1e-9 * scale)


@pytest.mark.parametrize("name", SETS)
def test_identical_sets_have_distance_zero(name):
    for x in SETS[name]:
        found = frechet_distance_of_features(x, x)
        assert isinstance(found, float)
        assert 0.0 <= found <= 1e-12 * (x.astype(np.float64).var(axis=0).sum() + 1)


def test_orthogonal_supports_add_their_traces():
    # C1 C2 = 0: eigenvalues of the product are rounding alone, their roots must not count
    real, fake = np.zeros((300, 60)), np.zeros((300, 60))
    real[:, :30], fake[:, 30:] = RNG.normal(size=(2, 300, 30))
    q, _ = np.linalg.qr(RNG.normal(size=(60, 60)))
    real, fake = real @ q, fake @ q
    (mu1, c1), (mu2, c2) = gaussian_statistics(real), gaussian_statistics(fake)
    expected = ((mu1 - mu2) ** 2).sum() + np.trace(c1) + np.trace(c2)
    assert frechet_distance(mu1, c1, mu2, c2) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "singular",
    [np.ones(600), np.arange(1, 601.0) ** -2, 10.0 ** -np.linspace(0, 12, 600), np.arange(600) % 2],
    ids=["equal", "power", "exponential", "half of them zero"],
)
def test_norms_of_large_matrices_are_sums_of_their_singular_values(singular):
    u, v = (np.linalg.qr(RNG.normal(size=(n, 600)))[0] for n in (600, 640))
    matrix = (u * singular) @ v.T
    for a in (matrix, matrix.T):
        assert _nuclear_norm(a, 1e-7 * singular.sum()) == pytest.approx(singular.sum(), rel=1e-7)
        # no error allowed: by singular values, each good to a few eps of the largest
        assert _nuclear_norm(a, 0.0) == pytest.approx(singular.sum(), rel=1e-12)


def test_sets_without_any_variance_differ_by_their_means():
    assert frechet_distance_of_features(np.ones((5, 3)), np.full((4, 3), 3.0)) == 12.0


def test_ddof_0_is_the_distance_of_population_covariances():
    real, fake = SETS["full rank"]
    mu1, mu2 = real.mean(axis=0), fake.mean(axis=0)
    c1, c2 = np.cov(real, rowvar=False, ddof=0), np.cov(fake, rowvar=False, ddof=0)
    expected = frechet_distance(mu1, c1, mu2, c2)
    assert frechet_distance_of_features(real, fake, ddof=0) == pytest.approx(expected)
    moments = (Moments.of(real), Moments.of(fake))
    assert frechet_distance_of_moments(*moments, ddof=0) == pytest.approx(expected)
    assert frechet_distance_of_moments(*moments) > expected
    few = (real[:9], fake[:9])
    mu1, mu2 = (a.mean(axis=0) for a in few)
    c1, c2 = (np.cov(a, rowvar=False, ddof=0) for a in few)
    expected = frechet_distance(mu1, c1, mu2, c2)
    assert frechet_distance_of_features(*few, ddof=0) == pytest.approx(expected)
    with pytest.raises(OptionError, match="ddof=2"):
        frechet_distance_of_features(*few, ddof=2)


def test_moments_of_other_nets_are_not_compared():
    real, fake = SETS["full rank"]
    with pytest.raises(OptionError, match="inception is not lenet"):
        frechet_distance_of_moments(
            Moments.of(real, net="inception"), Moments.of(fake, net="lenet")
        )


def test_sets_that_do_not_fit_are_named():
    with pytest.raises(ShapeError, match="fake of shape"):
        frechet_distance_of_features(np.zeros((3, 2)), np.zeros((1, 2)))
    with pytest.raises(ShapeError, match=r"\(3, 2\) and fake \(3, 4\)"):
        frechet_distance_of_features(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(OptionError, match="finite"):
        frechet_distance_of_features(np.zeros((3, 2)), np.full((3, 2), np.nan))


# -- extrapolation -----------------------------------------------------------------------------


def test_extrapolation_finds_the_distance_of_the_distributions():
    # N(0, I) and N(0.5, I) in 16 dimensions: 16 / 4 = 4; the finite sets are biased upwards
    real = Moments.of(RNG.normal(size=(50_000, 16)))
    fakes = RNG.normal(size=(12, 1500, 16)) + 0.5
    found = [fid_infinity(real, fake, seed=i) for i, fake in enumerate(fakes)]
    values = np.array([f.value for f in found])
    assert abs(values.mean() - 4.0) < 4 * values.std(ddof=1) / np.sqrt(len(values))
    assert np.mean([f.distances[0] for f in found]) > 4.2
    assert np.mean([f.slope for f in found]) > 0


def test_extrapolation_is_a_line_of_least_squares_through_its_points():
    real, fake = SETS["full rank"]
    found = fid_infinity(Moments.of(real), fake, points=6, least=30, seed=3)
    assert found.sizes.tolist() == [30, 64, 98, 132, 166, 200]
    slope, value = np.polyfit(1 / found.sizes, found.distances, 1)
    assert found.slope == pytest.approx(slope)
    assert found.value == pytest.approx(value)
    assert found.distances[-1] == pytest.approx(frechet_distance_of_features(real, fake))
    again = fid_infinity(Moments.of(real), fake, points=6, least=30, seed=3)
    assert again.distances.tobytes() == found.distances.tobytes()
    other = fid_infinity(Moments.of(real), fake, points=6, least=30, seed=4)
    assert other.distances[0] != found.distances[0]


def test_extrapolation_refuses_what_gives_no_line():
    real, fake = Moments.of(SETS["full rank"][0]), SETS["full rank"][1]
    for bad in ({"points": 1}, {"least": 1}, {"least": 200}):
        with pytest.raises(OptionError, match="2 to 199 fit"):
            fid_infinity(real, fake, **bad)
    with pytest.raises(ShapeError, match="N >= 20"):
        fid_infinity(real, fake[:19])
    with pytest.raises(ShapeError, match="one net"):
        fid_infinity(real, fake[:, :3])


# -- per class ---------------------------------------------------------------------------------


def test_per_class_distances_are_those_of_each_class_alone():
    real, fake = SETS["full rank"]
    a, b = np.arange(300) % 3, np.arange(200) % 3
    found = per_class_frechet(real, a, fake, b)
    expected = {k: frechet_distance_of_features(real[a == k], fake[b == k]) for k in range(3)}
    assert found.classes == pytest.approx(expected)
    assert found.mean == pytest.approx(np.mean(list(expected.values())))


def test_classes_that_changed_places_are_seen_by_class_alone():
    labels = np.arange(400) % 2
    x = RNG.normal(size=(400, 3)) + 5 * labels[:, None]
    assert frechet_distance_of_features(x, x) < 1e-9
    assert per_class_frechet(x, labels, x, 1 - labels).mean > 50


def test_classes_with_too_few_rows_are_all_named():
    x = RNG.normal(size=(6, 2))
    with pytest.raises(DataError, match="class 1, 2, 3: fewer than 2"):
        per_class_frechet(x, np.array([0, 0, 1, 2, 2, 3]), x, np.array([0, 0, 1, 1, 2, 0]))
    with pytest.raises(ShapeError, match=r"labels \(5,\)"):
        per_class_frechet(x, np.zeros(6, int), x, np.zeros(5, int))
    with pytest.raises(OptionError, match="float64"):
        per_class_frechet(x, np.zeros(6), x, np.zeros(6, int))
