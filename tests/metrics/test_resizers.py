"""The resizers against PyTorch, torch-fidelity and Pillow, and against slow definitions."""

import numpy as np
import pytest
from oracle_modules import module_alone
from PIL import Image

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics import resize

RNG = np.random.default_rng(0)
CLOSE = 1e-5  # of values in [0, 1]
# up, down, non-square, one axis alone, one pixel, unchanged
SIZES = [
    ((32, 32), (299, 299)),
    ((512, 512), (299, 299)),
    ((28, 40), (75, 61)),
    ((300, 200), (299, 299)),
    ((17, 64), (17, 20)),
    ((1, 1), (5, 3)),
    ((20, 20), (20, 20)),
]
each_size = pytest.mark.parametrize(("size", "out"), SIZES, ids=str)


def noise(size, n=2, channels=3):
    """Return the hardest images: white noise of [0, 1]."""
    return RNG.random((n, channels, *size)).astype(np.float32)


def two_taps(x, out, shift):
    """Interpolate pixel by pixel at (i + shift) in / out - shift, at least 0."""
    h, w = x.shape
    y = np.empty(out)
    for p in range(out[0]):
        for q in range(out[1]):
            v = max((p + shift) * h / out[0] - shift, 0.0)
            u = max((q + shift) * w / out[1] - shift, 0.0)
            i, j = min(int(v), h - 1), min(int(u), w - 1)
            rows, columns = [i, min(i + 1, h - 1)], [j, min(j + 1, w - 1)]
            y[p, q] = (1 - v + i, v - i) @ x[np.ix_(rows, columns)] @ (1 - u + j, u - j)
    return y


@pytest.mark.parametrize(("size", "out"), [((6, 9), (13, 7)), ((9, 5), (4, 5))])
@pytest.mark.parametrize(("resizer", "shift"), [(resize.bilinear, 0.5), (resize.bilinear_tf1, 0.0)])
def test_two_tap_resizers_are_their_definitions(resizer, shift, size, out):
    x = noise(size, n=1, channels=2)
    expected = [two_taps(image, out, shift) for image in x[0].astype(float)]
    np.testing.assert_allclose(resizer(x, out)[0], expected, atol=CLOSE, rtol=0)


@each_size
def test_bilinear_is_pytorchs_interpolate(size, out):
    torch = pytest.importorskip("torch", reason="the oracle PyTorch is not installed")
    x = noise(size)
    options = {"size": out, "mode": "bilinear", "align_corners": False}
    expected = torch.nn.functional.interpolate(torch.from_numpy(x), **options).numpy()
    np.testing.assert_allclose(resize.bilinear(x, out), expected, atol=CLOSE, rtol=0)


@each_size
def test_bilinear_tf1_is_torch_fidelitys(size, out):
    oracle = module_alone("torch_fidelity.interpolate_compat_tensorflow")
    torch, x = pytest.importorskip("torch"), noise(size)
    expected = oracle.interpolate_bilinear_2d_like_tensorflow1x(
        torch.from_numpy(x), size=out, align_corners=False
    ).numpy()
    np.testing.assert_allclose(resize.bilinear_tf1(x, out), expected, atol=CLOSE, rtol=0)


@each_size
def test_bicubic_is_pillows_in_mode_f(size, out):
    x = noise(size)
    expected = [
        [np.asarray(Image.fromarray(plane).resize(out[::-1], Image.BICUBIC)) for plane in image]
        for image in x
    ]
    np.testing.assert_allclose(resize.bicubic(x, out), expected, atol=CLOSE, rtol=0)


def test_images_with_channels_last_in_memory_give_the_same():
    x = noise((20, 30))
    strided = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for resizer in (resize.bilinear, resize.bilinear_tf1, resize.bicubic):
        np.testing.assert_array_equal(resizer(x, 24), resizer(strided, 24))


def test_bytes_come_back_from_the_floats_that_they_became():
    values = np.arange(256)
    floats = (values / 127.5 - 1.0).astype(np.float32)
    np.testing.assert_array_equal(resize.to_bytes(floats), values)


def test_values_between_two_bytes_are_rounded_and_those_beyond_clipped():
    x = np.array([-1.1, -1.0, 0.4 / 127.5 - 1, 0.6 / 127.5 - 1, 1.0, 1.1], np.float32)
    assert resize.to_bytes(x).tolist() == [0, 0, 0, 1, 255, 255]


def as_images(levels):
    """Turn bytes (N, C, H, W) into images of [-1, 1]."""
    return (levels / 127.5 - 1.0).astype(np.float32)


@pytest.mark.parametrize("protocol", ["torch-fidelity", "legacy-tensorflow"])
def test_tensorflows_protocols_are_bytes_minus_128_by_128(protocol):
    levels = RNG.integers(0, 256, (2, 3, 12, 10))
    expected = (resize.bilinear_tf1(levels.astype(np.float32), 31) - 128) / 128
    found = resize.prepare(as_images(levels), 31, protocol=protocol)
    np.testing.assert_allclose(found, expected, atol=CLOSE, rtol=0)


def test_pytorch_fids_protocol_takes_0_to_1_to_minus_1_to_1():
    levels = RNG.integers(0, 256, (2, 3, 12, 10))
    expected = resize.bilinear(levels.astype(np.float32), 31) / 127.5 - 1
    found = resize.prepare(as_images(levels), 31, protocol="pytorch-fid")
    np.testing.assert_allclose(found, expected, atol=CLOSE, rtol=0)


def test_the_clean_protocol_clips_what_the_cubic_overshoots():
    levels = np.zeros((1, 3, 8, 8), int)
    levels[..., 4:] = 255  # an edge
    raw = resize.bicubic(levels.astype(np.float32), 31)
    assert raw.min() < 0
    assert raw.max() > 255
    found = resize.prepare(as_images(levels), 31, protocol="clean")
    assert found.min() == -1.0
    assert found.max() == np.float32(127 / 128)


@pytest.mark.parametrize("protocol", resize.PROTOCOLS)
def test_grey_becomes_three_equal_channels(protocol):
    grey = as_images(RNG.integers(0, 256, (2, 1, 12, 10)))
    found = resize.prepare(grey, 20, protocol=protocol)
    expected = resize.prepare(np.repeat(grey, 3, axis=1), 20, protocol=protocol)
    assert found.shape == (2, 3, 20, 20)
    np.testing.assert_array_equal(found, expected)


def test_other_shapes_sizes_and_protocols_are_refused_in_one_line():
    x = noise((8, 8))
    with pytest.raises(ShapeError, match=r"bilinear: images \(3, 8, 8\) float32: \(N, C, H, W\)"):
        resize.bilinear(x[0], 4)
    with pytest.raises(ShapeError, match="float64"):
        resize.bicubic(x.astype(np.float64), 4)
    with pytest.raises(OptionError, match="bilinear_tf1: size 0"):
        resize.bilinear_tf1(x, 0)
    with pytest.raises(ShapeError, match="1 or 3"):
        resize.prepare(noise((8, 8), channels=2), 4, protocol="clean")
    with pytest.raises(OptionError, match="'cleanfid': pytorch-fid, torch-fidelity"):
        resize.prepare(x, 4, protocol="cleanfid")
