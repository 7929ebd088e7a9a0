"""Padding by mirror image, border and other side, against maps of indices."""

import numpy as np
import pytest

from tinygan import Tensor, grad, nn, ops
from tinygan.errors import OptionError, ShapeError
from tinygan.testing import adjoint_identity, check_grads

RNG = np.random.default_rng(0)
MODES = {  # which of 0 .. n - 1 lies at place i, which may be negative or beyond
    "reflect": lambda i, n: abs(i) if i < n else 2 * (n - 1) - i,
    "replicate": lambda i, n: min(max(i, 0), n - 1),
    "circular": lambda i, n: i % n,
}
SIDES = [(0, 0, 0, 0), (1, 2, 3, 0), (3, 3, 2, 2), (0, 0, 0, 3), (4, 4, 3, 3)]
LAYERS = {
    "constant": nn.ZeroPad2d,
    "reflect": nn.ReflectionPad2d,
    "replicate": nn.ReplicationPad2d,
    "circular": nn.CircularPad2d,
}


def expected(x, sides, mode):
    left, right, top, bottom = sides
    rows = [MODES[mode](i, x.shape[2]) for i in range(-top, x.shape[2] + bottom)]
    columns = [MODES[mode](i, x.shape[3]) for i in range(-left, x.shape[3] + right)]
    return x[:, :, rows][:, :, :, columns]


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("mode", MODES)
def test_pads_follow_their_map_of_indices(mode, sides):
    x = RNG.normal(size=(2, 3, 4, 5))
    want = expected(x, sides, mode)
    widths = [(0, 0), (0, 0), sides[2:], sides[:2]]
    for image in (x, np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2), x[::-1]):
        flipped = image.base is not None and image is not x and image.strides[0] < 0
        y = ops.pad(image, widths, mode=mode)
        np.testing.assert_array_equal(y.data, want[::-1] if flipped else want)
        np.testing.assert_array_equal(LAYERS[mode](sides)(Tensor(image)).data, y.data)


@pytest.mark.parametrize("mode", MODES)
def test_the_adjoint_sends_every_cotangent_to_its_source(mode):
    x, sides = Tensor(RNG.integers(-5, 5, (1, 2, 4, 5)) * 1.0, requires_grad=True), (3, 2, 1, 3)
    y = LAYERS[mode](sides)(x)
    g = RNG.integers(1, 9, y.shape) * 1.0
    index = expected(np.arange(x.size).reshape(x.shape), sides, mode)
    want = np.zeros(x.size)
    np.add.at(want, index.ravel(), g.ravel())
    np.testing.assert_array_equal(grad(y, x, Tensor(g)).data, want.reshape(x.shape))


@pytest.mark.parametrize("mode", MODES)
def test_pads_of_any_axes_have_right_derivatives(mode):
    x, widths = RNG.normal(size=(3, 2, 4)), [(2, 1), (0, 1), (1, 3)]

    def fn(x):
        return ops.pad(x, widths, mode=mode)

    check_grads(fn, [x], order=3)
    zeros = np.zeros(x.shape)

    def adjoint(g):
        at = Tensor(zeros, requires_grad=True)
        return grad(fn(at), at, g)

    adjoint_identity(fn, adjoint, x)


def test_channels_last_images_stay_so_both_ways():
    x = RNG.normal(size=(2, 4, 5, 3)).astype(np.float32).transpose(0, 3, 1, 2)
    for mode, layer in LAYERS.items():
        t = Tensor(x, requires_grad=True)
        y = layer((1, 2, 3, 1))(t)
        g = grad((y * y).sum(), t)
        for a in (y.data, g.data):
            assert a.dtype == np.float32
            assert a.strides[1] == a.itemsize, mode  # the constant's gradient is a slice


def test_zero_pad_and_empty_batches():
    x = RNG.normal(size=(1, 2, 3, 4))
    y = nn.ZeroPad2d((1, 0, 0, 2))(Tensor(x))
    np.testing.assert_array_equal(y.data, np.pad(x, ((0, 0), (0, 0), (0, 2), (1, 0))))
    for layer in LAYERS.values():
        assert layer(1)(Tensor(np.zeros((0, 2, 3, 3)))).shape == (0, 2, 5, 5)


def test_what_does_not_fit_is_named():
    x = np.ones((1, 1, 3, 4))
    with pytest.raises(
        ShapeError, match=r"reflect by \(3, 3\) does not fit an axis of 3.*at most 2"
    ):
        ops.reflection_pad2d(x, 3)
    with pytest.raises(ShapeError, match="circular by"):
        ops.circular_pad2d(x, (5, 0, 0, 0))
    with pytest.raises(ShapeError, match="replicate by"):
        ops.replication_pad2d(x[:, :, :0], 1)
    with pytest.raises(ShapeError, match=r"\(N, C, H, W\)"):
        ops.zero_pad2d(x[0], 1)
    with pytest.raises(ShapeError, match="pairs"):
        ops.pad(x, [(1, 1)], mode="reflect")
    with pytest.raises(OptionError, match="no mode"):
        ops.pad(x, [(0, 0)] * 4, mode="mirror")
    for widths in ((1, 1, 1, 1), 1, [(1, 1), (0, 0), (1,), (2, 2)], [(0.5, 1)] * 4, "same"):
        for mode in ("constant", "reflect"):
            with pytest.raises(ShapeError, match=r"pad: 4 pairs \(before, after\) of ints >= 0"):
                ops.pad(x, widths, mode=mode)
    for padding in ((1, 2), -1, 1.5, (1, 2, 3, -1), None):
        with pytest.raises(OptionError, match="reflection_pad2d: padding"):
            ops.reflection_pad2d(x, padding)
        with pytest.raises(OptionError, match="ReflectionPad2d: padding"):
            nn.ReflectionPad2d(padding)
