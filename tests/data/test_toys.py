"""Toys: exact centres, the stated laws, and purity."""

import numpy as np
import pytest

from tinygan.data import TOYS, load
from tinygan.errors import OptionError
from tinygan.random import Stream


def _distances(points, centres):
    return np.linalg.norm(points[:, None].astype(np.float64) - centres, axis=-1)


def test_the_ring_has_eight_distinct_modes_on_the_unit_circle():
    centres = TOYS["ring"].centres
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1, rtol=1e-15)
    between = _distances(centres, centres)[~np.eye(8, dtype=bool)]
    assert between.min() == pytest.approx(2 * np.sin(np.pi / 8))  # with seven it would be 0


def test_the_grid_has_25_modes_at_spacing_two_about_the_origin():
    centres = TOYS["grid"].centres
    assert {tuple(c) for c in centres} == {(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)}


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_samples_scatter_about_every_centre_by_sigma(name):
    toy = TOYS[name]
    points, labels = toy.sample(50_000, Stream(0, "toy"))
    distances = _distances(points, toy.centres)
    np.testing.assert_array_equal(distances.argmin(axis=1), labels)
    offset = points - toy.centres[labels]
    for k in range(toy.parts):
        mine = offset[labels == k]
        assert abs(len(mine) - 50_000 / toy.parts) < 5 * (50_000 / toy.parts) ** 0.5
        np.testing.assert_allclose(mine.mean(axis=0), 0, atol=5 * toy.sigma / len(mine) ** 0.5)
        np.testing.assert_allclose(mine.std(axis=0), toy.sigma, rtol=0.08)
    # P(|offset| > 3 sigma) of a 2-d Gaussian is exp(-9/2)
    assert np.mean(distances.min(axis=1) > 3 * toy.sigma) == pytest.approx(0.0111, abs=0.002)


def test_swiss_roll_winds_from_radius_0_63_to_1_88():
    points, _ = TOYS["swiss_roll"].sample(5000, Stream(0, "toy"))
    radius = np.linalg.norm(points, axis=1) * 7.5
    angle = np.arctan2(points[:, 1], points[:, 0])
    turns = np.mod(radius - angle + np.pi, 2 * np.pi) - np.pi  # 0 on the spiral r = t
    assert np.abs(turns).max() < 5 * 0.25 * 1.05
    assert 1.5 * np.pi - 1 < radius.min() < 1.5 * np.pi + 0.2
    assert 4.5 * np.pi - 0.2 < radius.max() < 4.5 * np.pi + 1


def test_moons_lie_on_two_half_circles():
    toy = TOYS["moons"]
    points, labels = toy.sample(5000, Stream(0, "toy"))
    for label, centre in ((0, (0.0, 0.0)), (1, (1.0, 0.5))):
        radius = np.linalg.norm(points[labels == label] - centre, axis=1)
        assert abs(radius.mean() - 1) < 0.01
        assert abs(radius.std() - toy.sigma) < 0.01
    assert points[labels == 0, 1].min() > -5 * toy.sigma  # the upper half of one circle
    assert points[labels == 1, 1].max() < 0.5 + 5 * toy.sigma  # the lower half of the other


@pytest.mark.parametrize("name", sorted(TOYS))
def test_a_toy_loads_by_name_as_float32_points_and_is_pure(name):
    a, b = load(name), load(name)
    assert a.arrays.dtype == np.float32
    assert a.shape == (2,)
    assert a.toy is TOYS[name]
    assert a.hash == b.hash


def test_points_have_no_size():
    with pytest.raises(OptionError, match="points have no size"):
        load("ring", size=8)
