"""Bilinear resize and channels against Pillow, bit for bit, and against hand-worked weights."""

import numpy as np
import pytest
from PIL import Image

from tinygan.data.resize import square, triangle, with_channels
from tinygan.errors import OptionError
from tinygan.random import Stream


def _images(h, w, c):
    return Stream(0, "images").integers((3, h, w, c), 0, 256).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("n_in", "n_out"), [(28, 32), (28, 16), (8, 32), (33, 7), (7, 33), (64, 64), (5, 1), (1, 5)]
)
def test_uint8_equals_pillow_bit_for_bit(n_in, n_out, channels):
    x = _images(n_in, n_in, channels)
    for image, found in zip(x, square(x, n_out), strict=True):
        pillow = Image.fromarray(image.squeeze(-1) if channels == 1 else image)
        expected = np.asarray(pillow.resize((n_out, n_out), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(found.reshape(expected.shape), expected)


@pytest.mark.parametrize(("n_in", "n_out"), [(8, 32), (8, 16), (28, 10)])
def test_float_equals_pillows_float_resize(n_in, n_out):
    x = Stream(0, "images").normal((2, n_in, n_in, 1))
    for image, found in zip(x, square(x, n_out), strict=True):
        pillow = Image.fromarray(image[..., 0])
        expected = np.asarray(pillow.resize((n_out, n_out), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(found[..., 0], expected, atol=1e-6)


def test_doubling_has_the_textbook_weights():
    expected = [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    np.testing.assert_allclose(triangle(2, 4), expected)


def test_the_middle_square_is_kept():
    x = np.zeros((1, 4, 9, 1), np.uint8)
    x[:, :, 2:6] = 7
    np.testing.assert_array_equal(square(x, 4), np.full((1, 4, 4, 1), 7))


def test_grey_of_colour_equals_pillows_luma():
    x = _images(9, 9, 3)
    expected = [np.asarray(Image.fromarray(image).convert("L")) for image in x]
    np.testing.assert_array_equal(with_channels(x, 1)[..., 0], expected)


def test_float_grey_is_the_same_luma():
    x = _images(9, 9, 3)
    found = with_channels((x / 127.5 - 1).astype(np.float32), 1)
    np.testing.assert_allclose((found + 1) * 127.5, with_channels(x, 1), atol=0.51)


def test_colour_of_grey_repeats_it():
    x = _images(3, 3, 1)
    np.testing.assert_array_equal(with_channels(x, 3), np.concatenate([x, x, x], axis=3))


def test_other_channel_counts_are_refused():
    with pytest.raises(OptionError, match="channels=2"):
        with_channels(_images(3, 3, 1), 2)
