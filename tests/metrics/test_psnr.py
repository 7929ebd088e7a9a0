"""PSNR and SSIM: closed forms, a slow definition, and the protocol's border, luma and rounding."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.ms_ssim import ms_ssim
from tinygan.metrics.psnr import psnr, ssim

RNG = np.random.default_rng(0)


def pair(n=2, channels=3, h=20, w=24):
    x = np.clip(2 * gaussian_filter(RNG.normal(size=(n, channels, h, w)), (0, 0, 2, 2)), -1, 1)
    return x, np.clip(x + RNG.normal(0, 0.1, x.shape), -1, 1)


def bytes_of(x):
    return [[[int(v) for v in row] for row in image] for image in np.rint((x + 1) * 127.5)]


def test_equal_images_have_no_noise():
    x, _ = pair()
    assert np.isinf(psnr(x, x)).all()
    np.testing.assert_array_equal(ssim(x, x), 1.0)


@pytest.mark.parametrize("step", [1, 3, 255])
def test_a_constant_error_has_its_closed_form(step):
    x = np.full((1, 3, 12, 12), -1.0)
    y = x + step / 127.5
    np.testing.assert_allclose(psnr(x, y), 20 * math.log10(255 / step), rtol=1e-12)
    # R = G = B moves Y by 219/255 of it
    luma = 20 * math.log10(255 / (step * 219 / 255))
    np.testing.assert_allclose(psnr(x, y, luma=True), luma, rtol=1e-5)  # 65.481 + ... = 219.000


def test_values_agree_with_a_slow_definition():
    x, y = pair(2, 3, 14, 15)
    for i in range(2):
        a, b = bytes_of(x[i]), bytes_of(y[i])
        square = count = square_y = 0.0
        for r in range(2, 12):
            for c in range(2, 13):
                ya, yb = (
                    16 + (65.481 * p[0][r][c] + 128.553 * p[1][r][c] + 24.966 * p[2][r][c]) / 255
                    for p in (a, b)
                )
                square_y += (ya - yb) ** 2
                square += sum((a[k][r][c] - b[k][r][c]) ** 2 for k in range(3))
                count += 1
        rgb = 10 * math.log10(255**2 / (square / (3 * count)))
        luma = 10 * math.log10(255**2 / (square_y / count))
        assert psnr(x, y, border=2)[i] == pytest.approx(rgb, rel=1e-12)
        assert psnr(x, y, border=2, luma=True)[i] == pytest.approx(luma, rel=1e-12)


def test_luma_of_grey_is_the_grey_itself():
    x, y = pair(1, 1)
    np.testing.assert_array_equal(psnr(x, y, luma=True), psnr(x, y))


def test_images_are_rounded_to_the_bytes_of_a_file():
    x, y = pair()
    near = np.clip(x + RNG.uniform(-0.4, 0.4, x.shape) / 127.5, -1, 1)
    x, near = (np.rint((v + 1) * 127.5) / 127.5 - 1 for v in (x, near))
    moved = np.clip(x + RNG.uniform(-0.4, 0.4, x.shape) / 127.5, -1, 1)
    np.testing.assert_allclose(psnr(moved, y), psnr(x, y), rtol=1e-12)


def test_ssim_is_ms_ssim_at_one_scale():
    x, y = pair(3, 3, 20, 21)  # too small for a second scale
    x, y = (np.rint((v + 1) * 127.5) / 127.5 - 1 for v in (x, y))
    np.testing.assert_allclose(ssim(x, y), ms_ssim(x, y), rtol=1e-12)


def test_what_the_border_cuts_off_does_not_count():
    x, y = pair()
    other = y.copy()
    other[..., :4, :] = other[..., -4:, :] = other[..., :4] = other[..., -4:] = 0.0
    np.testing.assert_array_equal(psnr(x, y, border=4), psnr(x, other, border=4))
    np.testing.assert_array_equal(ssim(x, y, border=4), ssim(x, other, border=4))
    assert (psnr(x, y) != psnr(x, other)).all()


def test_what_does_not_fit_is_refused():
    x, y = pair()
    with pytest.raises(ShapeError, match="differ"):
        psnr(x, y[..., :-1])
    with pytest.raises(ShapeError, match="border 10 leaves nothing of 20 x 24"):
        psnr(x, y, border=10)
    with pytest.raises(ShapeError, match="11 a side"):
        ssim(x, y, border=5)
    with pytest.raises(OptionError, match="border=-1"):
        psnr(x, y, border=-1)
    with pytest.raises(OptionError, match="must lie in"):
        ssim(2 * x, y)
