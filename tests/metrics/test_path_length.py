"""Perceptual path length against closed forms: linear generators and squared distances."""

import numpy as np
import pytest

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.path_length import perceptual_path_length, slerp

RNG = np.random.default_rng(0)
DOUBLE = {"dtype": np.float64}


def squared(x, y):
    return ((x - y) ** 2).sum(axis=1)


def same(x):
    return x


def test_slerp_goes_round_the_circle_at_constant_speed():
    a, b = np.array([[1.0, 0.0]] * 5), np.array([[0.0, 1.0]] * 5)
    t = np.linspace(0.0, 1.0, 5)
    expected = np.stack([np.cos(t * np.pi / 2), np.sin(t * np.pi / 2)], axis=1)
    np.testing.assert_allclose(slerp(a, b, t), expected, atol=1e-15)


def test_slerp_keeps_ends_and_takes_norms_along_a_line():
    a, b = RNG.normal(size=(4, 3)), 7.0 * RNG.normal(size=(4, 3))
    np.testing.assert_allclose(slerp(a, b, np.zeros(4)), a, rtol=1e-12)
    np.testing.assert_allclose(slerp(a, b, np.ones(4)), b, rtol=1e-12)
    norms = [np.linalg.norm(v, axis=1) for v in (a, b, slerp(a, b, np.full(4, 0.25)))]
    np.testing.assert_allclose(norms[2], 0.75 * norms[0] + 0.25 * norms[1], rtol=1e-12)


def test_slerp_of_equal_opposite_and_zero_vectors_is_finite():
    a = np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]])
    b = np.array([[1.0, 2.0], [-1.0, -2.0], [3.0, 0.0]])
    found = slerp(a, b, np.full(3, 0.5))
    np.testing.assert_allclose(found[0], a[0])
    assert np.isfinite(found).all()


def test_a_linear_generator_in_w_has_the_length_of_its_matrix():
    # d = |A (w2 - w1)|^2 eps^2 exactly, and E |A (w2 - w1)|^2 = 2 |A|_F^2
    matrix = RNG.normal(size=(6, 4))
    options = {"nz": 4, "space": "w", "mapping": same, "samples": 4000, "discard": 0.0, **DOUBLE}
    found = perceptual_path_length(lambda w: w @ matrix.T, squared, **options)
    error = found.std / np.sqrt(4000)
    assert found.mean == pytest.approx(2.0 * (matrix**2).sum(), abs=4.0 * error)
    assert (found.kept, found.space) == (4000, "w")


def test_a_generator_on_the_circle_has_the_mean_squared_angle():
    # two random directions of the plane are at an angle uniform in [0, pi]: E omega^2 = pi^2 / 3
    def generate(z):
        return z / np.linalg.norm(z, axis=1, keepdims=True)

    found = perceptual_path_length(generate, squared, nz=2, samples=20_000, discard=0.0, **DOUBLE)
    error = np.pi**2 * np.sqrt(4 / 45) / np.sqrt(20_000)  # of omega^2: 1/5 - 1/9 of pi^4
    assert found.mean == pytest.approx(np.pi**2 / 3, abs=4.0 * error)
    assert found.std == pytest.approx(np.pi**2 * np.sqrt(4 / 45), rel=0.03)


def test_the_step_does_not_matter_where_the_generator_is_smooth():
    matrix = RNG.normal(size=(6, 4))
    found = [
        perceptual_path_length(
            lambda z: np.tanh(z @ matrix.T), squared, nz=4, samples=200, eps=eps, **DOUBLE
        ).mean
        for eps in (1e-3, 1e-4)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-2)


def test_float32_latents_give_the_same_length_to_their_rounding():
    # a step moves latents by 1e-4 and more, which float32 holds to 6e-8: 1e-3 each, the mean less
    one, other = (
        perceptual_path_length(same, squared, nz=16, samples=500, dtype=dtype).mean
        for dtype in (np.float32, np.float64)
    )
    assert one == pytest.approx(other, rel=1e-3)


def test_the_longest_and_shortest_paths_are_left_out():
    # of lengths 1 .. 1000 in any order the quantiles keep 10 .. 991, of 0-based ranks 9 .. 990
    lengths = iter(RNG.permutation(np.arange(1.0, 1001.0)).reshape(20, 50))
    found = perceptual_path_length(
        same, lambda x, y: next(lengths) * 1e-8, nz=2, samples=1000, eps=1e-4
    )
    assert found.kept == 982
    assert found.mean == pytest.approx(np.mean(np.arange(10.0, 992.0)))


def test_paths_may_be_taken_at_their_beginning():
    seen = []

    def generate(w):
        seen.append(w)
        return w

    drawn = []

    def mapping(z):
        drawn.append(z)
        return z

    options = {"space": "w", "mapping": mapping, "sampling": "end", "samples": 7, **DOUBLE}
    perceptual_path_length(generate, squared, nz=3, **options)
    np.testing.assert_array_equal(seen[0], drawn[0])


def test_batches_cover_all_samples_and_the_seed_decides():
    options = {"nz": 3, "samples": 23, "batch": 10, **DOUBLE}
    one, again, other = (
        perceptual_path_length(same, squared, seed=s, **options) for s in (1, 1, 2)
    )
    assert one.mean == again.mean != other.mean
    assert one.samples == 23


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"nz": 0}, "nz=0"),
        ({"samples": 0}, "samples=0"),
        ({"eps": 0.0}, "eps"),
        ({"space": "w"}, "without a mapping"),
        ({"mapping": same}, "with a mapping"),
        ({"space": "x"}, "'z' without"),
        ({"sampling": "middle"}, "'full' or 'end'"),
        ({"discard": 0.5}, "discard"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_line(options, match):
    with pytest.raises(OptionError, match=match):
        perceptual_path_length(same, squared, **{"nz": 2, "samples": 5, **options})


def test_distances_that_do_not_fit_are_refused_in_one_line():
    with pytest.raises(ShapeError, match=r"\(5,\) fits"):
        perceptual_path_length(same, lambda x, y: (x - y) ** 2, nz=2, samples=5)
    with pytest.raises(OptionError, match="not finite"):
        perceptual_path_length(same, lambda x, y: np.full(len(x), np.nan), nz=2, samples=5)
