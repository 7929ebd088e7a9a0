"""Nearest neighbours against the full matrix of distances, in blocks of any size."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.neighbours import Pairs, nearest

RNG = np.random.default_rng(4)


def definition(queries, points, k, exclude_self=False):
    """Sort each query's distances, of equals the lowest index first."""
    q, p = queries.astype(np.float64), points.astype(np.float64)
    matrix = np.array([[((a - b) ** 2).sum() for b in p] for a in q])
    if exclude_self:
        np.fill_diagonal(matrix, np.inf)
    order = np.argsort(matrix, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(matrix, order, axis=1), order


def assert_neighbours(found, expected):
    np.testing.assert_array_equal(found.indices, expected[1])
    # a sum of d squares in another order
    np.testing.assert_allclose(found.distances, expected[0], rtol=1e-14)


@pytest.mark.parametrize("block_bytes", [1, 2_000, 20_000, 1 << 28])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neighbours_are_those_of_the_full_matrix(block_bytes, dtype):
    queries = RNG.normal(size=(60, 9)).astype(dtype)
    points = RNG.normal(size=(75, 9)).astype(dtype)
    found = nearest(queries, points, 4, block_bytes=block_bytes)
    assert_neighbours(found, definition(queries, points, 4))


@pytest.mark.parametrize("k", [1, 5, 39])
def test_a_point_is_not_its_own_neighbour_when_told_so(k):
    points = RNG.normal(size=(40, 3))
    found = nearest(points, points, k, exclude_self=True, block_bytes=4_000)
    assert_neighbours(found, definition(points, points, k, exclude_self=True))
    assert (found.indices != np.arange(40)[:, None]).all()
    assert (nearest(points, points, 1).indices[:, 0] == np.arange(40)).all()


def test_close_points_far_from_zero_are_told_apart():
    # at 1e6 a squared norm is 1e12 and its last digit 1e-4; the distances are 1e-8 and less
    points = 1e6 + np.arange(12)[:, None] * np.array([[1e-5, -2e-5]])
    found = nearest(points, points, 11, exclude_self=True)
    assert_neighbours(found, definition(points, points, 11, exclude_self=True))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_ties_go_to_the_lowest_index(data):
    # on a grid distances are exact and nearly all tied
    shape = (data.draw(st.integers(2, 40)), data.draw(st.integers(1, 3)))
    seed = data.draw(st.integers(0, 99))
    points = np.random.default_rng(seed).integers(0, 3, size=shape) * 2.0
    points -= points.mean(axis=0).round()
    k = data.draw(st.integers(1, shape[0] - 1))
    found = nearest(points, points, k, exclude_self=True, block_bytes=6_000)
    again = nearest(points, points, k, exclude_self=True, block_bytes=1_000_000)
    expected = definition(points, points, k, exclude_self=True)
    np.testing.assert_array_equal(found.distances, expected[0])
    np.testing.assert_array_equal(again.distances, expected[0])


def test_copies_of_a_point_are_named_in_order():
    points = np.repeat(RNG.integers(-9, 9, size=(5, 4)).astype(float), 4, axis=0)
    points -= points.mean(axis=0).round()
    found = nearest(points[::4], points, 4)
    np.testing.assert_array_equal(found.indices, np.arange(20).reshape(5, 4))
    assert not found.distances.any()


def test_memory_stays_within_the_bound():
    points = RNG.normal(size=(4000, 8)).astype(np.float32)
    bound = 4 << 20  # the full matrix would be 128 MB
    tracemalloc.start()
    try:
        nearest(points, points, 3, exclude_self=True, block_bytes=bound)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    results = 4000 * 3 * 16 + 4000 * 8
    blockwise = 4000 * 8 * 8 * 2  # norms and centre are computed over all rows, under 64 MiB
    assert peak < bound + results + blockwise


def test_a_limit_that_is_a_distance_is_decided_exactly():
    # radii of neighbours are distances of pairs: each lies on its own ball's surface
    points = RNG.normal(size=(50, 30)) + 100
    radii = nearest(points, points, 2, exclude_self=True).distances[:, 1:]
    for inclusive in (False, True):
        pairs = Pairs(points, points, 20_000)
        inside = sum(
            int(pairs.within(rows, cols, d, radii[rows], inclusive=inclusive).sum())
            for rows in pairs.row_blocks()
            for cols, d in pairs.columns(rows)
        )
        assert inside == 50 * (3 if inclusive else 2)  # itself, the first, and perhaps the second


def test_arguments_that_do_not_fit_are_named():
    x = RNG.normal(size=(5, 3))
    with pytest.raises(OptionError, match="k=6 neighbours among 5 points: use 1 to 5"):
        nearest(x, x, 6)
    with pytest.raises(OptionError, match="use 1 to 4"):
        nearest(x, x, 5, exclude_self=True)
    with pytest.raises(OptionError, match="k=0"):
        nearest(x, x, 0)
    with pytest.raises(ShapeError, match="exclude_self"):
        nearest(x[:3], x, 1, exclude_self=True)
    with pytest.raises(ShapeError, match=r"\(5, 3\).*\(5, 2\)"):
        nearest(x, x[:, :2], 1)
    with pytest.raises(OptionError, match="finite"):
        nearest(x, x * np.nan, 1)
