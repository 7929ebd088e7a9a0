"""Sliced Wasserstein distances against closed forms, scipy's transport and a slow pyramid."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d
from scipy.stats import wasserstein_distance

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.sliced_wasserstein import (
    _band,
    _patches,
    laplacian_swd,
    sliced_wasserstein,
)

RNG = np.random.default_rng(0)


def images(n=12, channels=3, size=32):
    smooth = gaussian_filter(RNG.normal(size=(n, channels, size, size)), (0, 0, 2, 2))
    return np.clip(2.0 * smooth, -1.0, 1.0).astype(np.float32)


def test_identical_sets_have_distance_zero_in_any_order():
    x = RNG.normal(size=(50, 6))
    assert sliced_wasserstein(x, x) == 0.0
    assert sliced_wasserstein(x, x[RNG.permutation(50)]) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("n", "m"), [(40, 40), (40, 17), (5, 60), (1, 9)])
def test_in_one_dimension_it_is_the_distance_that_scipy_computes(n, m):
    x, y = RNG.normal(size=n), RNG.normal(1.0, 2.0, size=m)
    found = sliced_wasserstein(x[:, None], y[:, None], projections=3, p=1)
    assert found == pytest.approx(wasserstein_distance(x, y), rel=1e-12)


def test_order_two_of_unequal_sizes_is_that_of_repeated_points():
    # 6 and 4 points are 12 and 12, each twice or three times: then sorted pairs are optimal
    x, y = RNG.normal(size=6), RNG.normal(size=4)
    pairs = np.sort(np.repeat(x, 2)) - np.sort(np.repeat(y, 3))
    found = sliced_wasserstein(x[:, None], y[:, None], p=2)
    assert found == pytest.approx(np.sqrt((pairs**2).mean()), rel=1e-12)


def test_a_shift_in_d_dimensions_costs_its_length_over_root_d():
    # theta.(x + a) - theta.x = theta.a, and E (theta.a)^2 = |a|^2 / d
    x, shift = RNG.normal(size=(30, 5)), np.array([3.0, 0.0, -4.0, 0.0, 0.0])
    found = sliced_wasserstein(x, x + shift, projections=20_000)
    assert found == pytest.approx(5.0 / np.sqrt(5.0), rel=0.02)  # 5 standard errors


def test_two_gaussians_are_as_far_as_their_standard_deviations():
    # along every line: N(0, 1) against N(0, 3^2), W_2 = 3 - 1
    x, y = RNG.normal(size=(20_000, 3)), RNG.normal(size=(20_000, 3)) * 3.0
    assert sliced_wasserstein(x, y, projections=16) == pytest.approx(2.0, rel=0.03)


def test_distance_is_symmetric_and_scales_with_the_points():
    x, y = RNG.normal(size=(20, 4)), RNG.normal(size=(31, 4))
    d = sliced_wasserstein(x, y)
    assert sliced_wasserstein(y, x) == pytest.approx(d, rel=1e-12)
    assert sliced_wasserstein(3.0 * x + 1.0, 3.0 * y + 1.0) == pytest.approx(3.0 * d, rel=1e-9)


def test_directions_come_from_the_seed():
    x, y = RNG.normal(size=(20, 4)), RNG.normal(size=(20, 4))
    one = sliced_wasserstein(x, y, projections=4, seed=1)
    assert sliced_wasserstein(x, y, projections=4, seed=1) == one
    assert sliced_wasserstein(x, y, projections=4, seed=2) != one


def test_blocks_do_not_change_the_sum(monkeypatch):
    x, y = RNG.normal(size=(60, 4)), RNG.normal(size=(45, 4))
    whole = sliced_wasserstein(x, y, projections=10)
    monkeypatch.setattr("tinygan.metrics.checks.BLOCK_BYTES", 1000)
    monkeypatch.setattr("tinygan.metrics.sliced_wasserstein.BLOCK_BYTES", 3000)
    assert sliced_wasserstein(x, y, projections=10) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize(
    ("x", "y", "options", "error"),
    [
        (np.zeros((0, 2)), np.zeros((3, 2)), {}, ShapeError),
        (np.zeros((3, 2)), np.zeros((3, 4)), {}, ShapeError),
        (np.zeros(3), np.zeros(3), {}, ShapeError),
        (np.full((3, 2), np.nan), np.zeros((3, 2)), {}, OptionError),
        (np.zeros((3, 2)), np.zeros((3, 2)), {"projections": 0}, OptionError),
        (np.zeros((3, 2)), np.zeros((3, 2)), {"p": 3}, OptionError),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(x, y, options, error):
    with pytest.raises(error, match="sliced_wasserstein") as caught:
        sliced_wasserstein(x, y, **options)
    assert "\n" not in str(caught.value)


# --- the pyramid ---


def slow_halve(x):
    row = np.array([1, 4, 6, 4, 1]) / 16
    return convolve2d(np.pad(x, 2, mode="reflect"), np.outer(row, row), "valid")[::2, ::2]


def slow_band(x):
    low = np.pad(slow_halve(x), 1, mode="reflect")
    stuffed = np.zeros((2 * low.shape[0], 2 * low.shape[1]))
    stuffed[::2, ::2] = low
    row = np.array([1, 4, 6, 4, 1]) / 8
    return x - convolve2d(stuffed, np.outer(row, row), "valid")


def test_levels_of_the_pyramid_agree_with_a_slow_one():
    x = RNG.normal(size=(2, 3, 32, 48))
    first, second, low = (_band(x, n, last=n == 2) for n in range(3))
    for i in range(2):
        for c in range(3):
            half = slow_halve(x[i, c])
            np.testing.assert_allclose(first[i, c], slow_band(x[i, c]), atol=1e-12)
            np.testing.assert_allclose(second[i, c], slow_band(half), atol=1e-12)
            np.testing.assert_allclose(low[i, c], slow_halve(half), atol=1e-12)


def test_patches_are_cut_channel_by_channel_and_keep_their_axes():
    y, x = np.mgrid[:16, :16] / 16.0
    ramps = np.stack([np.stack([x, -x, y]), np.stack([x, -x, y]) / 2]).astype(np.float32)
    patches = _patches(ramps, 0, last=True, seed=0).reshape(2, 128, 3, 7, 7)
    for c, axis, sign in ((0, 4, 1), (1, 4, -1), (2, 3, 1)):
        slope = np.diff(patches, axis=axis)[:, :, c]
        assert (sign * slope > 0.0).all()
        # the second image rises half as steeply; one mean and one deviation serve both
        np.testing.assert_allclose(slope[0], 2.0 * slope[1].mean(), rtol=1e-4)
        flat = np.diff(patches, axis=7 - axis)[:, :, c]
        np.testing.assert_allclose(flat, 0.0, atol=1e-6)
    np.testing.assert_allclose(patches.mean((0, 1, 3, 4)), 0.0, atol=1e-5)
    np.testing.assert_allclose(patches.std((0, 1, 3, 4)), 1.0, rtol=1e-5)


def test_levels_are_halved_down_to_sixteen_pixels():
    x = images(4, size=64)
    assert list(laplacian_swd(x, x, projections=4)) == ["64", "32", "16", "mean"]
    odd = images(4, size=28)
    assert list(laplacian_swd(odd, odd, projections=4)) == ["28", "mean"]


def test_an_image_set_is_at_distance_zero_from_itself():
    x = images()
    assert set(laplacian_swd(x, x, projections=8).values()) == {0.0}


def test_contrast_and_brightness_are_normalised_away():
    x = images()
    found = laplacian_swd(x, 0.5 * x + 0.25, projections=8)
    assert found["mean"] < 1e-3  # float32 patches: 1000 * 1e-6


def test_blur_shows_in_the_details_and_not_in_the_composition():
    x = np.clip(images(16) + RNG.normal(0, 0.2, (16, 3, 32, 32)), -1, 1).astype(np.float32)
    blurred = gaussian_filter(x, (0, 0, 1, 1))
    found = laplacian_swd(x, blurred, projections=64)
    assert found["32"] > 2.0 * found["16"] > 0.0
    assert found["mean"] == pytest.approx((found["32"] + found["16"]) / 2)


def test_a_constant_set_has_a_number():
    flat = np.zeros((3, 1, 16, 16), np.float32)
    assert laplacian_swd(flat, flat, projections=2)["mean"] == 0.0


def test_images_that_do_not_fit_are_refused_in_one_line():
    with pytest.raises(ShapeError, match="one size"):
        laplacian_swd(images(2, size=32), images(2, size=16))
    with pytest.raises(ShapeError, match="7 pixels"):
        laplacian_swd(images(2, size=6), images(2, size=6))
    with pytest.raises(OptionError, match=r"\[-1, 1\]"):
        laplacian_swd(images(2), 255.0 * np.ones((2, 3, 32, 32)))
    with pytest.raises(ShapeError, match="N >= 1"):
        laplacian_swd(images(2), images(2)[:0])
