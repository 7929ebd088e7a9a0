"""k-means against scipy's, and against what defines it: no step makes it better."""

import tracemalloc

import numpy as np
import pytest
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.kmeans import KMeans, _means, fit_kmeans

RNG = np.random.default_rng(0)
CORNERS = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def blobs(n=200, spread=0.5):
    owner = RNG.integers(0, 4, n)
    return CORNERS[owner] + spread * RNG.normal(size=(n, 2)), owner


def test_separate_blobs_are_found_whole():
    x, owner = blobs()
    fitted = fit_kmeans(x, 4)
    assert fitted.converged
    means = np.array([x[owner == k].mean(axis=0) for k in range(4)])
    found = fitted.centres[cdist(means, fitted.centres).argmin(axis=1)]
    np.testing.assert_allclose(found, means, atol=1e-12)
    np.testing.assert_array_equal(np.sort(fitted.counts(x)), np.sort(np.bincount(owner)))


def test_lloyds_steps_end_where_those_of_scipy_do():
    x = RNG.normal(size=(300, 3))
    fitted = fit_kmeans(x, 7, seed=3)
    theirs, owner = kmeans2(x, fitted.centres, minit="matrix", iter=5)
    np.testing.assert_allclose(theirs, fitted.centres, atol=1e-9)  # a fixed point of theirs
    np.testing.assert_array_equal(owner, fitted.assign(x)[0])


def test_assignment_is_to_the_nearest_centre_also_far_from_the_origin():
    centres = RNG.normal(size=(9, 4)) + 1e6
    x = RNG.normal(size=(50, 4)) + 1e6
    index, squared = KMeans(centres, 1, True).assign(x)
    distances = cdist(x, centres, "sqeuclidean")
    np.testing.assert_array_equal(index, distances.argmin(axis=1))
    np.testing.assert_allclose(squared, distances.min(axis=1), rtol=1e-7, atol=1e-9)


def test_a_result_is_a_function_of_the_seed():
    x = RNG.normal(size=(100, 2))
    one, again, other = (fit_kmeans(x, 5, seed=s).centres for s in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_blocks_do_not_change_the_result(monkeypatch):
    x = RNG.normal(size=(100, 2))
    whole = fit_kmeans(x, 5).centres
    monkeypatch.setattr("tinygan.metrics.checks.BLOCK_BYTES", 500)
    np.testing.assert_allclose(fit_kmeans(x, 5).centres, whole, rtol=1e-12)


def test_distances_never_lie_in_memory_at_once(monkeypatch):
    monkeypatch.setattr("tinygan.metrics.checks.BLOCK_BYTES", 1 << 20)
    x = RNG.normal(size=(50_000, 2)).astype(np.float32)
    tracemalloc.start()
    fit_kmeans(x, 60, max_iterations=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20  # N x K distances are 23 MiB; a few vectors of N and a few blocks are 6


def test_a_centre_without_points_takes_the_farthest_point():
    x = np.array([[0.0], [1.0], [9.0]])
    owner, squared = np.array([0, 0, 0]), np.array([0.0, 1.0, 81.0])
    moved = _means(x, owner, squared, np.array([[0.0], [50.0]]))
    np.testing.assert_allclose(moved, [[10.0 / 3.0], [9.0]])


def test_bytes_do_not_wrap_around():
    x = RNG.integers(0, 256, (40, 3))
    as_bytes, as_floats = (fit_kmeans(x.astype(t), 4).centres for t in (np.uint8, np.float64))
    np.testing.assert_array_equal(as_bytes, as_floats)


def test_as_many_clusters_as_points_is_each_point():
    x = RNG.normal(size=(6, 2))
    np.testing.assert_array_equal(fit_kmeans(x, 6).counts(x), np.ones(6))


def test_float32_points_are_summed_in_float64():
    x = (RNG.normal(size=(1000, 1)) + 1000.0).astype(np.float32)
    assert fit_kmeans(x, 1).centres[0, 0] == pytest.approx(x.astype(float).mean(), rel=1e-14)


def test_what_does_not_fit_is_refused_in_one_line():
    with pytest.raises(ShapeError, match="N >= 4"):
        fit_kmeans(np.zeros((3, 2)), 4)
    with pytest.raises(OptionError, match="at most 2 fit"):
        fit_kmeans(np.repeat([[0.0], [1.0]], 5, axis=0), 3)
    with pytest.raises(OptionError, match="clusters=0"):
        fit_kmeans(np.zeros((3, 2)), 0)
    with pytest.raises(OptionError, match="not finite"):
        fit_kmeans(np.array([[np.inf], [0.0]]), 1)
    with pytest.raises(ShapeError, match="dimension"):
        fit_kmeans(np.zeros((3, 2)), 1).assign(np.zeros((3, 1)))
