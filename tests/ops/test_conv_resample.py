"""The rewrites of a 3 x 3 convolution beside a resampling, against the two steps written out."""

import numpy as np
import pytest

from tinygan import Tensor, grad, kernels, ops
from tinygan.errors import DtypeError, ShapeError
from tinygan.kernels.conv2d import use_winograd
from tinygan.kernels.registry import tracing

RNG = np.random.default_rng(0)


def two_steps_up(x, w, b=None):
    return ops.conv2d(ops.upsample_nearest(x, 2), w, b, padding=1)


def two_steps_down(x, w, b=None):
    return ops.avg_pool2d(ops.conv2d(x, w, b, padding=1), 2)


PAIRS = {
    "upsample_conv2d": (ops.upsample_conv2d, two_steps_up, 1),
    "conv2d_avg_pool": (ops.conv2d_avg_pool, two_steps_down, 2),
}
SIZES = [(1, 1), (1, 2), (2, 2), (2, 3), (3, 5), (4, 4), (5, 4), (7, 7), (8, 6)]


CASES = [(name, size) for name in PAIRS for size in SIZES if min(size) >= PAIRS[name][2]]


def derivatives(fn, args, g):
    """Return y, its vjp, and the vjp of a square of that: all that a penalty asks for."""
    xs = [Tensor(a, requires_grad=True) for a in args]
    y = fn(*xs)
    first = grad(y, xs, Tensor(g), create_graph=True)
    second = grad(sum(ops.sum(ops.square(d)) for d in first), xs[:2])
    return [t.data for t in (y, *first, *second)]


@pytest.mark.parametrize(("name", "size"), CASES)
def test_one_step_equals_two_at_every_size_with_its_derivatives(name, size, backend):
    one, two, _ = PAIRS[name]
    args = [RNG.normal(size=s) for s in ((2, 3, *size), (4, 3, 3, 3), (4,))]
    with kernels.use_backend(backend, "numpy"):
        g = RNG.normal(size=one(*args).shape)
        for a, b in zip(derivatives(one, args, g), derivatives(two, args, g), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * np.abs(b).max())


@pytest.mark.parametrize(("name", "size"), CASES)
def test_one_step_equals_two_bit_for_bit_on_integers(name, size, backend):
    # All partial sums are multiples of 1/4 far below 2**24 / 4, so that float32 holds them.
    one, two, _ = PAIRS[name]
    shapes = ((2, 3, *size), (4, 3, 3, 3), (4,))
    x, w, b = (RNG.integers(-8, 9, size=s).astype(np.float32) for s in shapes)
    with kernels.use_backend(backend, "numpy"):
        np.testing.assert_array_equal(one(x, w, b).data, two(x, w, b).data)


@pytest.mark.parametrize("name", PAIRS)
def test_layers_of_training_size_are_equal_bit_for_bit_on_integers(name, backend):
    # 128 channels and 16 images: from there on C++ takes F(2), whose binary fractions are exact
    one, two, _ = PAIRS[name]
    x = RNG.integers(-4, 5, size=(16, 128, 16, 16)).astype(np.float32)
    w = RNG.integers(-2, 3, size=(128, 128, 3, 3)).astype(np.float32)
    with kernels.use_backend(backend, "numpy"), use_winograd("accurate"):
        np.testing.assert_array_equal(one(x, w).data, two(x, w).data)


@pytest.mark.parametrize("name", PAIRS)
def test_every_pixel_and_every_tap_reaches_the_same_outputs(name):
    # Both sides are linear in x and in w, so unit vectors prove them equal: borders and corners too
    one, two, _ = PAIRS[name]
    x, w = np.eye(15).reshape(15, 1, 3, 5), np.eye(9).reshape(9, 1, 3, 3)
    np.testing.assert_array_equal(one(x, w).data, two(x, w).data)


def multiplications(fn, x, w):
    """Count the products of convolutions that ``fn(x, w)`` runs, those with padding included."""
    counts = []

    def note(kernel, arrays, params):
        if kernel.op == "conv2d":
            image, taps = arrays
            outputs = np.prod(params["spec"].out_shape(image.shape, taps.shape))
            counts.append(outputs * taps[0].size)
        elif kernel.op == "conv2d_dgrad":
            counts.append(arrays[0].size * arrays[1][0].size)

    with tracing(note):
        fn(x, w)
    return sum(counts)


@pytest.mark.parametrize("name", PAIRS)
def test_the_rewrite_takes_16_products_in_place_of_36(name):
    one, two, _ = PAIRS[name]
    x, w = RNG.normal(size=(1, 2, 6, 6)), RNG.normal(size=(2, 2, 3, 3))
    assert multiplications(two, x, w) / multiplications(one, x, w) == 36 / 16


def test_upsampling_by_two_is_pooling_transposed_times_four():
    x, g = RNG.normal(size=(2, 3, 6, 8)), RNG.normal(size=(2, 4, 3, 4))
    w = RNG.normal(size=(4, 3, 3, 3))
    down = (ops.conv2d_avg_pool(x, w) * g).sum()
    swapped = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    up = (ops.upsample_conv2d(g, swapped) * x).sum()
    assert float(up) == pytest.approx(4 * float(down), rel=1e-12)


@pytest.mark.parametrize("name", PAIRS)
def test_what_does_not_fit_is_named(name):
    one, _, least = PAIRS[name]
    x, w = np.ones((1, 3, 4, 4)), np.ones((2, 3, 3, 3))
    for taps in (np.ones((2, 3, 4, 4)), np.ones((2, 3, 3)), np.ones((2, 3, 1, 3))):
        with pytest.raises(ShapeError, match=rf"{name}: w .* must be \(O, C, 3, 3\)"):
            one(x, taps)
    for image in (x[0], x[:, :2], np.ones((1, 3, least - 1, 4))):
        with pytest.raises(ShapeError, match=rf"{name}: x .* must be \(N, 3, H, W\)"):
            one(image, w)
    with pytest.raises(ShapeError, match=r"b \(3,\)"):
        one(x, w, np.ones(3))
    with pytest.raises(DtypeError, match=f"{name}: x float64, w float32"):
        one(x, w.astype(np.float32))
