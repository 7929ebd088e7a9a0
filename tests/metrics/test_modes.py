"""Counting modes: closed forms on real toys, planted failures, and an exact set of triples."""

import numpy as np
import pytest

from tinygan.data.toys import TOYS
from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.modes import (
    Modes,
    recovered_interval,
    stacked_digit_modes,
    toy_modes,
)
from tinygan.random import Stream

RING, GRID = TOYS["ring"], TOYS["grid"]


@pytest.mark.parametrize("toy", [RING, GRID], ids=lambda toy: toy.name)
def test_real_points_recover_every_mode_with_the_quality_of_a_gaussian(toy):
    n = 20_000
    points, _ = toy.sample(n, Stream(0, "toy"))
    found = toy_modes(points, toy.centres, sigma=toy.sigma)
    assert found.recovered == found.total == toy.parts
    p = 1.0 - np.exp(-4.5)  # chi-square of two degrees of freedom at 9
    assert found.high_quality == pytest.approx(p, abs=4.0 * np.sqrt(p * (1 - p) / n))
    assert found.kl < 4.0 * toy.parts / (2 * n)  # its mean is (K - 1) / 2n


def test_collapse_to_one_mode_is_log_k_from_uniform():
    found = toy_modes(np.repeat(RING.centres[:1], 50, axis=0), RING.centres, sigma=RING.sigma)
    assert (found.recovered, found.high_quality) == (1, 1.0)
    assert found.kl == pytest.approx(np.log(8.0))
    assert found.counts.tolist() == [50, 0, 0, 0, 0, 0, 0, 0]


def test_half_of_the_modes_is_log_two_from_uniform():
    found = toy_modes(np.repeat(RING.centres[::2], 10, axis=0), RING.centres, sigma=RING.sigma)
    assert (found.recovered, found.kl) == (4, pytest.approx(np.log(2.0)))


def test_points_of_low_quality_recover_nothing_but_count_in_kl():
    far = RING.centres[0] * (1.0 + 3.1 * RING.sigma)
    near = RING.centres[1] * (1.0 + 2.9 * RING.sigma)
    found = toy_modes(np.stack([far, far, far, near]), RING.centres, sigma=RING.sigma)
    assert (found.recovered, found.high_quality) == (1, 0.25)
    assert found.counts.tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    expected = 0.75 * np.log(0.75 * 8) + 0.25 * np.log(0.25 * 8)
    assert found.kl == pytest.approx(expected)


def test_blocks_do_not_change_the_counts(monkeypatch):
    points, _ = GRID.sample(300, Stream(1, "toy"))
    whole = toy_modes(points, GRID.centres, sigma=GRID.sigma)
    monkeypatch.setattr("tinygan.metrics.checks.BLOCK_BYTES", 4000)
    parts = toy_modes(points, GRID.centres, sigma=GRID.sigma)
    np.testing.assert_array_equal(parts.counts, whole.counts)


def test_toys_that_do_not_fit_are_refused_in_one_line():
    x = np.zeros((3, 2))
    with pytest.raises(ShapeError, match="dimension"):
        toy_modes(np.zeros((3, 3)), x, sigma=1.0)
    with pytest.raises(ShapeError, match="N >= 1"):
        toy_modes(x, TOYS["moons"].centres, sigma=1.0)
    with pytest.raises(OptionError, match="sigma"):
        toy_modes(x, x, sigma=0.0)
    with pytest.raises(OptionError, match="not finite"):
        toy_modes(x * np.nan, x, sigma=1.0)


# --- stacked digits ---


def reader(grey):
    """Read the digit that an image's constant value stands for: d / 10."""
    assert grey.shape[1:] == (1, 4, 4)
    return np.eye(10)[np.round(10.0 * grey[:, 0, 0, 0]).astype(int)]


def stack(triples):
    values = np.array([[int(c) / 10 for c in f"{t:03d}"] for t in triples], np.float32)
    return np.broadcast_to(values[:, :, None, None], (len(triples), 3, 4, 4))


def test_all_triples_once_are_all_modes_and_uniform():
    found = stacked_digit_modes(stack(range(1000)), reader)
    assert (found.recovered, found.total, found.samples) == (1000, 1000, 1000)
    assert found.kl == pytest.approx(0.0, abs=1e-12)


def test_triples_are_read_in_the_order_of_channels():
    found = stacked_digit_modes(stack([907, 907, 12]), reader)
    assert np.flatnonzero(found.counts).tolist() == [12, 907]
    assert found.kl == pytest.approx(np.log(1000) - (np.log(3) - 2 / 3 * np.log(2)))


def test_images_and_classifiers_that_do_not_fit_are_refused_in_one_line():
    with pytest.raises(ShapeError, match="N, 3, H, W"):
        stacked_digit_modes(np.zeros((2, 1, 4, 4)), reader)
    with pytest.raises(ShapeError, match=r"\(6, 10\) fits"):
        stacked_digit_modes(stack([1, 2]), lambda grey: np.zeros((len(grey), 9)))


# --- the interval ---


def counted(counts, beyond=0):
    counts = np.asarray(counts)
    n = int(counts.sum()) + beyond
    return Modes(int((counts > 0).sum()), len(counts), 1.0, 0.0, counts, n)


def test_well_filled_modes_are_certain():
    assert recovered_interval(counted([500] * 8)) == (8.0, 8.0)
    assert recovered_interval(counted([500, 500, 0, 0])) == (2.0, 2.0)


def test_every_mode_seen_is_drawn_by_its_share():
    # a lone sample is missing with probability (1 - 1/n)^n, 0.37: draws are 1 or 2 about 1.63
    low, high = recovered_interval(counted([500, 1]), resamples=4000)
    assert low == pytest.approx(2 - 0.63, abs=0.03)  # four standard errors
    assert high == 2.0


def test_samples_beyond_all_modes_are_drawn_too():
    few = counted([2, 0], beyond=1000)
    low, high = recovered_interval(few, resamples=1000)  # 0 drawn: exp(-2), 0.135, of the time
    assert low == pytest.approx(1 - 0.865, abs=0.045)
    assert high == pytest.approx(1 + 0.135, abs=0.045)


def test_lone_samples_speak_of_modes_that_were_missed():
    sure = recovered_interval(counted([100] * 5 + [0] * 5))
    unsure = recovered_interval(counted([99] * 5 + [1] * 5 + [0] * 5))
    assert sure == (5.0, 5.0)
    assert unsure[0] < 9.0
    assert unsure[1] > 11.0


@pytest.mark.parametrize("shape", ["zipf", "geometric"])
def test_interval_covers_the_average_count_of_fresh_samples(shape):
    p = 1.0 / np.arange(1, 201) if shape == "zipf" else 0.97 ** np.arange(200)
    p /= p.sum()
    n, rng = 300, np.random.default_rng(0)
    truth = (1.0 - (1.0 - p) ** n).sum()
    held = 0
    for seed in range(40):
        low, high = recovered_interval(counted(rng.multinomial(n, p)), resamples=100, seed=seed)
        held += low <= truth <= high
    assert held >= 34  # 38 are expected of a level of 0.95; below 34 with probability 0.003


def test_interval_is_a_function_of_the_seed():
    modes = counted(np.arange(30))
    few = [recovered_interval(modes, resamples=20, level=0.5, seed=s) for s in (0, 0)]
    assert few[0] == few[1]
    with pytest.raises(OptionError, match="level"):
        recovered_interval(modes, level=95)
