"""Pooling, upsampling and pixel shuffle against their definitions, written as loops."""

import numpy as np
import pytest

from tinygan import Tensor, grad, kernels, ops
from tinygan.errors import DtypeError, OptionError, ShapeError
from tinygan.kernels.arrays import is_channels_last

RNG = np.random.default_rng(0)


def windows(x, k, s, p, fill):
    """Yield (n, c, i, j, window) of a padded image."""
    n, c, h, w = x.shape
    padded = np.full((n, c, h + 2 * p, w + 2 * p), fill)
    padded[:, :, p : p + h, p : p + w] = x
    rows, columns = (h + 2 * p - k) // s + 1, (w + 2 * p - k) // s + 1
    for i in range(rows):
        for j in range(columns):
            yield i, j, padded[:, :, i * s : i * s + k, j * s : j * s + k]


@pytest.mark.parametrize(("k", "s", "p"), [(2, 2, 0), (3, 2, 1), (3, 1, 0), (2, 3, 1)])
def test_pools_follow_their_definition(k, s, p):
    x = RNG.normal(size=(2, 3, 7, 6))
    largest, average = ops.max_pool2d(x, k, s, p), ops.avg_pool2d(x, k, s, p)
    for i, j, window in windows(x, k, s, p, -np.inf):
        np.testing.assert_array_equal(largest.data[:, :, i, j], window.max((2, 3)))
    for i, j, window in windows(x, k, s, p, 0.0):
        np.testing.assert_allclose(average.data[:, :, i, j], window.mean((2, 3)), atol=1e-15)


def test_avg_pool_without_padding_in_the_count():
    y = ops.avg_pool2d(np.ones((1, 1, 4, 4)), 3, 2, 1, count_include_pad=False)
    np.testing.assert_allclose(y.data, 1.0)


def test_max_pool_sends_the_cotangent_to_the_winner():
    x = Tensor(np.array([[[[1.0, 5.0], [2.0, 3.0]]]]), requires_grad=True)
    np.testing.assert_array_equal(grad(ops.max_pool2d(x, 2).sum(), x).data[0, 0], [[0, 1], [0, 0]])


@pytest.mark.parametrize("scale", [(1, 1), (2, 3), (7, 1), (41, 107)])
def test_upsampling_repeats_pixels_and_its_vjp_adds_them(scale, backend):
    (sh, sw), x = scale, RNG.normal(size=(2, 3, 2, 3)).astype(np.float32)
    g = RNG.integers(-9, 10, size=(2, 3, 2 * sh, 3 * sw)).astype(np.float32)
    at = Tensor(x, requires_grad=True)
    with kernels.use_backend(backend, "numpy"):
        y = ops.upsample_nearest(at, scale)
        gx = grad(y, at, Tensor(g))
    np.testing.assert_array_equal(y.data, x.repeat(sh, axis=2).repeat(sw, axis=3))
    np.testing.assert_array_equal(gx.data, g.reshape(2, 3, 2, sh, 3, sw).sum((3, 5)))
    assert y.dtype == gx.dtype == np.float32
    assert is_channels_last(y.data)
    assert is_channels_last(gx.data)


def test_pixel_shuffle_follows_its_definition_and_unshuffle_undoes_it():
    x = RNG.normal(size=(2, 12, 2, 3))
    y = ops.pixel_shuffle(x, 2)
    assert y.shape == (2, 3, 4, 6)
    for c in range(3):
        for i in range(4):
            for j in range(6):
                source = x[:, c * 4 + (i % 2) * 2 + j % 2, i // 2, j // 2]
                np.testing.assert_array_equal(y.data[:, c, i, j], source)
    np.testing.assert_array_equal(ops.pixel_unshuffle(y, 2).data, x)


def test_what_does_not_fit_is_named():
    with pytest.raises(ShapeError, match=r"avg_pool2d: x must be \(N, C, H, W\), got \(3, 4\)"):
        ops.avg_pool2d(np.ones((3, 4)), 2)
    with pytest.raises(ShapeError, match="no window"):
        ops.max_pool2d(np.ones((1, 1, 2, 2)), 3)
    with pytest.raises(OptionError, match="half"):
        ops.max_pool2d(np.ones((1, 1, 4, 4)), 2, padding=2)
    with pytest.raises(ShapeError, match="3 channels"):
        ops.pixel_shuffle(np.ones((1, 3, 2, 2)), 2)
    with pytest.raises(OptionError, match="at least 1"):
        ops.upsample_nearest(np.ones((1, 3, 2, 2)), 0)
    with pytest.raises(ShapeError, match=r"upsample_nearest: x must be \(N, C, H, W\)"):
        ops.upsample_nearest(np.ones((1, 3, 0, 2)))
    with pytest.raises(DtypeError, match="upsample_nearest: x is int64"):
        ops.upsample_nearest(np.ones((1, 3, 2, 2), np.int64))
