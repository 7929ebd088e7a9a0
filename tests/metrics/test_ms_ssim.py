"""MS-SSIM against a slow definition, and diversity against what a set was planted with."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.ms_ssim import ms_ssim, ms_ssim_diversity, scales_of

RNG = np.random.default_rng(0)
WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]


def images(n=4, channels=1, height=32, width=32):
    smooth = gaussian_filter(RNG.normal(size=(n, channels, height, width)), (0, 0, 2, 2))
    return np.clip(2.0 * smooth, -1.0, 1.0).astype(np.float32)


def slow_scale(x, y):
    """Return the mean of l * cs and of cs for two grey images in [0, 1]."""
    yy, xx = np.mgrid[-5:6, -5:6]
    window = np.exp(-(xx**2 + yy**2) / (2 * 1.5**2))
    window /= window.sum()
    lcs, cs = [], []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            mu, nu = (window * a).sum(), (window * b).sum()
            var_a, var_b = (window * (a - mu) ** 2).sum(), (window * (b - nu) ** 2).sum()
            cov = (window * (a - mu) * (b - nu)).sum()
            cs.append((2 * cov + 0.03**2) / (var_a + var_b + 0.03**2))
            lcs.append((2 * mu * nu + 0.01**2) / (mu**2 + nu**2 + 0.01**2) * cs[-1])
    return np.mean(lcs), np.mean(cs)


def slow_ms_ssim(x, y, scales):
    result = 1.0
    for j in range(scales):
        lcs, cs = slow_scale(x, y)
        weight = WEIGHTS[j] / sum(WEIGHTS[:scales])
        result *= max(lcs if j == scales - 1 else cs, 0.0) ** weight
        x, y = (halve(image) for image in (x, y))
    return result


def halve(x):
    even = np.pad(x, [(0, n % 2) for n in x.shape], mode="edge")
    return convolve2d(even, np.full((2, 2), 0.25), "valid")[::2, ::2]


@pytest.mark.parametrize(("height", "width", "scales"), [(12, 17, 1), (32, 24, 2), (45, 47, 3)])
def test_values_agree_with_a_slow_definition(height, width, scales):
    x = images(2, 1, height, width)
    y = np.clip(x + 0.3 * images(2, 1, height, width), -1, 1)
    light = [(image[:, 0].astype(float) + 1) / 2 for image in (x, y)]
    expected = [slow_ms_ssim(a, b, scales) for a, b in zip(*light, strict=True)]
    # float64 on both sides; there the variances are of differences, here differences of squares
    np.testing.assert_allclose(ms_ssim(x, y), expected, rtol=1e-9)


def test_channels_are_averaged():
    x, y = images(3, 3), images(3, 3)
    each = [ms_ssim(x[:, [c]], y[:, [c]]) for c in range(3)]
    np.testing.assert_allclose(ms_ssim(x, y), np.mean(each, axis=0), rtol=1e-12)


def test_an_image_is_like_itself_at_every_number_of_scales():
    for side in (11, 22, 44, 88, 176):
        x = images(1, 3, side, side)
        np.testing.assert_allclose(ms_ssim(x, x), 1.0, rtol=1e-12)


def test_noise_lowers_similarity_the_more_the_stronger():
    x = images(2, 3, 48, 48)
    noise = RNG.normal(size=x.shape)
    found = [ms_ssim(x, np.clip(x + s * noise, -1, 1)).mean() for s in (0.0, 0.05, 0.2, 0.8)]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 4


def test_a_negative_picture_has_negative_structure_and_counts_as_zero():
    x = images(2, 1)
    np.testing.assert_array_equal(ms_ssim(x, -x), 0.0)


def test_constant_images_compare_by_luminance_alone():
    x, y = np.full((1, 1, 16, 16), -0.5), np.full((1, 1, 16, 16), 0.5)  # 0.25 and 0.75 of light
    expected = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
    assert ms_ssim(x, y)[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("side", "scales"), [(11, 1), (21, 1), (22, 2), (43, 2), (44, 3), (87, 3), (128, 4), (176, 5)]
)
def test_scales_keep_eleven_pixels(side, scales):
    assert scales_of(side, 256) == scales_of(256, side) == scales


def test_blocks_do_not_change_the_values(monkeypatch):
    x, y = images(5), images(5)
    whole = ms_ssim(x, y)
    monkeypatch.setattr("tinygan.metrics.checks.BLOCK_BYTES", 1)
    np.testing.assert_array_equal(ms_ssim(x, y), whole)


# --- diversity ---


def test_a_small_set_takes_each_pair_once_and_none_with_itself():
    x = images(4)
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    found = ms_ssim_diversity(x)
    assert (found.pairs, found.scales) == (6, 2)
    expected = np.mean([ms_ssim(x[[i]], x[[j]])[0] for i, j in pairs])
    assert found.value == pytest.approx(expected, rel=1e-12)


def test_random_pairs_are_never_an_image_with_itself():
    # each image is all noise: pairs of different ones are near 0, an image with itself is 1
    x = np.clip(RNG.normal(size=(30, 1, 16, 16)), -1, 1)
    assert ms_ssim_diversity(x, pairs=400).value < 0.2


def test_a_collapsed_set_has_value_one():
    assert ms_ssim_diversity(np.repeat(images(1), 30, axis=0)).value == pytest.approx(1.0)


def test_labels_pair_within_a_class_alone():
    x = np.concatenate([np.repeat(images(1), 3, axis=0), images(3), images(1)])
    found = ms_ssim_diversity(x, labels=np.array([4, 4, 4, 7, 7, 7, 9]))
    assert found.by_class.keys() == {4, 7}
    assert found.by_class[4] == pytest.approx(1.0)
    assert found.value == pytest.approx((1.0 + ms_ssim_diversity(x[3:6]).value) / 2)
    assert found.pairs == 6


def test_pairs_come_from_the_seed():
    x = images(30)
    one, again, other = (ms_ssim_diversity(x, pairs=10, seed=s).value for s in (1, 1, 2))
    assert one == again != other


def test_images_that_do_not_fit_are_refused_in_one_line():
    with pytest.raises(ShapeError, match="11 a side"):
        ms_ssim(images(1, 1, 8, 8), images(1, 1, 8, 8))
    with pytest.raises(ShapeError, match="differ"):
        ms_ssim(images(1), images(2))
    with pytest.raises(ShapeError, match="N >= 2"):
        ms_ssim_diversity(images(1))
    with pytest.raises(OptionError, match=r"\[-1, 1\]"):
        ms_ssim_diversity(255 * np.ones((2, 1, 16, 16)))
    with pytest.raises(OptionError, match="pairs=0"):
        ms_ssim_diversity(images(3), pairs=0)
    with pytest.raises(ShapeError, match="no class has two"):
        ms_ssim_diversity(images(3), labels=np.arange(3))
    with pytest.raises(ShapeError, match=r"\(3,\) fits"):
        ms_ssim_diversity(images(3), labels=np.arange(2))
