"""upfirdn2d, interpolate, unfold and fold: composites of other ops, closed forms, derivatives."""

import itertools

import numpy as np
import pytest

from tinygan import Tensor, grad, nn, ops
from tinygan import kernels as tgk
from tinygan.errors import DtypeError, OptionError, ShapeError
from tinygan.testing import adjoint_identity, check_grads

RNG = np.random.default_rng(0)


def by_conv2d(x, f, up, down, padding, flip):
    """Return upfirdn2d made of zero insertion, padding and a depthwise conv2d."""
    (n, c, h, w), (left, right, top, bottom) = x.shape, padding
    stuffed = np.zeros((n, c, h * up[0], w * up[1]))
    stuffed[:, :, :: up[0], :: up[1]] = x
    u = np.pad(stuffed, ((0, 0), (0, 0), (top, bottom), (left, right)))
    taps = f if flip else f[::-1, ::-1]
    filters = np.broadcast_to(taps, (c, 1, *f.shape))
    return ops.conv2d(u, filters, groups=c).data[:, :, :: down[0], :: down[1]]


@pytest.mark.parametrize("flip", [False, True])
def test_upfirdn2d_is_zero_insertion_and_a_depthwise_convolution(backend, flip):
    geometries = itertools.product(
        ((1, 1), (2, 2), (3, 1)), ((1, 1), (2, 2), (1, 3)), ((1, 2, 3, 0), (0, 0, 0, 0))
    )
    for up, down, padding in geometries:
        x, f = RNG.normal(size=(2, 3, 5, 6)), RNG.normal(size=(4, 3))
        with tgk.use_backend(backend):
            options = {"up": up, "down": down, "padding": padding, "flip_filter": flip}
            y = ops.upfirdn2d(x, f, **options)
        np.testing.assert_allclose(y.data, by_conv2d(x, f, up, down, padding, flip), atol=1e-12)


def test_a_separable_filter_is_the_outer_product_of_two():
    x, f = RNG.normal(size=(2, 3, 5, 6)), RNG.normal(size=5)
    options = {"up": (2, 3), "down": (3, 1), "padding": (3, -1, 2, 4), "gain": 6.0}
    for flip in (False, True):
        once = ops.upfirdn2d(x, np.outer(f, f), flip_filter=flip, **options)
        twice = ops.upfirdn2d(x, f, flip_filter=flip, **options)
        np.testing.assert_allclose(twice.data, once.data, atol=1e-12)


def test_a_gain_may_be_negative_also_of_a_separable_filter():
    x, taps = RNG.normal(size=(1, 2, 5, 6)), RNG.normal(size=3)
    for f in (taps, np.outer(taps, taps)):
        y = ops.upfirdn2d(x, f, padding=1, gain=-2.5)
        np.testing.assert_allclose(y.data, -2.5 * ops.upfirdn2d(x, f, padding=1).data)


def test_without_a_filter_pixels_are_spread_padded_and_kept():
    x = RNG.normal(size=(1, 2, 3, 4)).astype(np.float32)
    y = ops.upfirdn2d(x, None, up=2, padding=(1, 0, 0, 1), gain=4)
    assert y.shape == (1, 2, 7, 9)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y.data[:, :, :6:2, 1::2], 4 * x)
    back = ops.upfirdn2d(y, None, down=2, padding=(-1, 0, 0, -1))
    np.testing.assert_array_equal(back.data, 4 * x)


def test_paddings_are_an_int_two_or_four():
    x, f = RNG.normal(size=(1, 1, 4, 5)), RNG.normal(size=(2, 2))
    for short, long in ((2, (2, 2, 2, 2)), ((1, 3), (1, 1, 3, 3))):
        a, b = (ops.upfirdn2d(x, f, padding=padding) for padding in (short, long))
        np.testing.assert_array_equal(a.data, b.data)
    assert ops.upfirdn2d(x, f, padding=(1, 0, 0, 2)).shape == (1, 1, 4 + 2 - 1, 5 + 1 - 1)


def test_cropping_is_a_slice():
    x = RNG.normal(size=(1, 2, 6, 7))
    y = ops.upfirdn2d(x, np.ones((1, 1)), padding=(-1, -2, -3, 0))
    np.testing.assert_array_equal(y.data, x[:, :, 3:, 1:-2])


@pytest.mark.parametrize("taps", [(1, 3, 3, 1), (1,), (1, 2, 1), (1, 4, 6, 4, 1), (1,) * 8])
def test_blur_doubles_and_halves_and_keeps_the_mean_of_a_constant(taps):
    x = Tensor(np.full((1, 2, 12, 16), 3.0))
    for up, down in ((1, 1), (2, 1), (1, 2), (3, 1), (1, 4)):
        if len(taps) < max(up, down):
            continue
        blur = nn.Blur(taps, up=up, down=down, dtype=np.float64)
        y = blur(x).data
        assert y.shape == (1, 2, 12 * up // down, 16 * up // down)
        phases = {sum(taps[i::up]) for i in range(up)}
        if len(phases) == 1:  # else the outputs take turns
            margin = len(taps)
            inner = y[:, :, margin:-margin, margin:-margin]
            np.testing.assert_allclose(inner, np.full(inner.shape, 3.0), rtol=1e-14)


def test_blur_keeps_float32_and_its_filter_in_the_state():
    blur = nn.Blur()
    state = blur.state_dict()
    assert list(state) == ["resample_filter"]
    np.testing.assert_allclose(
        state["resample_filter"].data, np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
    )
    assert blur(Tensor(np.ones((1, 1, 4, 4), np.float32))).dtype == np.float32
    assert nn.Blur(range(1, 9)).state_dict()["resample_filter"].shape == (8,)


UPFIRDN = [
    {"up": (2, 1), "down": (1, 2), "padding": (1, -1, 0, 2)},
    {"up": 2, "padding": (2, 1), "gain": 4.0, "flip_filter": True},
    {"down": 2, "padding": 1},
]


@pytest.mark.parametrize("options", UPFIRDN, ids=str)
@pytest.mark.parametrize("f_shape", [(2, 3), (3,)], ids=str)
def test_upfirdn2d_has_right_derivatives_to_third_order(backend, options, f_shape):
    x, f = RNG.normal(size=(1, 2, 3, 4)), RNG.normal(size=f_shape)
    with tgk.use_backend(backend, "numpy"):
        check_grads(lambda x, f: ops.upfirdn2d(x, f, **options), [x, f], order=3)


LINEAR = {
    "bilinear": ((2, 2, 4, 3), lambda x: ops.interpolate(x, (7, 2), mode="bilinear")),
    "bicubic": ((1, 2, 4, 5), lambda x: ops.interpolate(x, None, (1.5, 0.7), "bicubic", True)),
    "area": ((1, 2, 5, 4), lambda x: ops.interpolate(x, (2, 3), mode="area")),
    "unfold": ((2, 3, 5, 4), lambda x: ops.unfold(x, (3, 2), 1, (1, 0), 2)),
    "fold": ((2, 12, 6), lambda x: ops.fold(x, (3, 4), 2)),
    "upfirdn2d": ((2, 3, 4, 5), lambda x: ops.upfirdn2d(x, FIR, up=2, down=3, padding=2)),
}
FIR = RNG.normal(size=(3, 4))


@pytest.mark.parametrize("name", LINEAR)
def test_linear_ops_satisfy_the_adjoint_identity(backend, name):
    shape, fn = LINEAR[name]

    def adjoint(g):
        at = Tensor(np.zeros(shape), requires_grad=True)
        return grad(fn(at), at, g)

    with tgk.use_backend(backend, "numpy"):
        adjoint_identity(fn, adjoint, RNG.normal(size=shape))
        check_grads(fn, [RNG.normal(size=shape)], order=3)


def test_interpolate_by_whole_factors_repeats_and_averages_pixels():
    x = RNG.normal(size=(2, 3, 4, 6))
    up = ops.interpolate(x, scale_factor=(2, 3))
    np.testing.assert_array_equal(up.data, x.repeat(2, axis=2).repeat(3, axis=3))
    down = ops.interpolate(x, (2, 2), mode="area")
    blocks = x.reshape(2, 3, 2, 2, 2, 3).mean(axis=(3, 5))
    np.testing.assert_allclose(down.data, blocks, atol=1e-15)
    np.testing.assert_allclose(down.data, ops.avg_pool2d(x, (2, 3)).data, atol=1e-15)


def test_scale_factor_sets_the_distance_of_pixels_unless_recomputed():
    x = np.arange(5.0)[None, None, None]
    kept = ops.interpolate(x, scale_factor=(1, 1.5), mode="bilinear").data[0, 0, 0]
    fitted = ops.interpolate(x, scale_factor=(1, 1.5), mode="bilinear", recompute_scale_factor=True)
    assert kept.shape == (7,)
    np.testing.assert_allclose(kept[3], 3.5 / 1.5 - 0.5)
    np.testing.assert_allclose(fitted.data[0, 0, 0, 3], 3.5 * 5 / 7 - 0.5)


@pytest.mark.parametrize("options", [{"mode": "bilinear"}, {"mode": "bicubic", "antialias": True}])
def test_an_axis_whose_size_stays_is_left_as_it_is(options):
    x = RNG.normal(size=(2, 3, 5, 4))
    y = ops.interpolate(x, scale_factor=(1.1, 2), **options)
    assert y.shape == (2, 3, 5, 8)
    np.testing.assert_allclose(y.data, ops.interpolate(x, (5, 8), **options).data, atol=1e-15)
    same = ops.interpolate(x, scale_factor=np.float32(1.1), **options)
    np.testing.assert_array_equal(same.data, x)


def test_nearest_exact_rounds_by_the_scale_factor_where_the_size_stays():
    x = np.arange(5.0)[None, None, None]
    exact = ops.interpolate(x, scale_factor=(1, 1.15), mode="nearest-exact")
    assert exact.data[0, 0, 0].tolist() == [0, 1, 2, 3, 3]
    assert ops.interpolate(x, scale_factor=(1, 1.15)).data[0, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_fold_of_unfold_counts_the_windows():
    x = RNG.normal(size=(1, 2, 6, 6))
    apart = ops.fold(ops.unfold(x, 2, stride=2), (6, 6), 2, stride=2)
    np.testing.assert_array_equal(apart.data, x)
    counts = ops.fold(ops.unfold(np.ones_like(x), 3), (6, 6), 3)
    both = ops.fold(ops.unfold(x, 3), (6, 6), 3)
    np.testing.assert_allclose(both.data, x * counts.data)


def test_what_does_not_fit_is_named():
    x, f = np.ones((1, 1, 4, 4), np.float32), np.ones((2, 2), np.float32)
    refusals = [
        (DtypeError, "f float64", lambda: ops.upfirdn2d(x, np.ones((2, 2)))),
        (ShapeError, "separable", lambda: ops.upfirdn2d(x, f[None])),
        (ShapeError, "5 taps", lambda: ops.upfirdn2d(x, np.ones(5, np.float32))),
        (OptionError, "padding", lambda: ops.upfirdn2d(x, f, padding=(1, 2, 3))),
        (OptionError, "padding", lambda: ops.upfirdn2d(x, f, padding=(1.0, 2))),
        (OptionError, "upfirdn2d: up=0", lambda: ops.upfirdn2d(x, f, up=0)),
        (OptionError, "upfirdn2d: down=", lambda: ops.upfirdn2d(x, f, down=(2, 1.5))),
        (OptionError, "interpolate: size=", lambda: ops.interpolate(x, "4")),
        (OptionError, "unfold: kernel_size=", lambda: ops.unfold(x, 0)),
        (OptionError, "fold: stride=", lambda: ops.fold(x[0], 4, 2, stride=0)),
        (OptionError, "max_pool2d: stride=", lambda: ops.max_pool2d(x, 2, 1.5)),
        (OptionError, "upsample_nearest: scale=", lambda: ops.upsample_nearest(x, 1.5)),
        (OptionError, "either", lambda: ops.interpolate(x)),
        (OptionError, "either", lambda: ops.interpolate(x, 2, 2.0)),
        (OptionError, "trilinear", lambda: ops.interpolate(x, 2, mode="trilinear")),
        (OptionError, "align_corners", lambda: ops.interpolate(x, 2, align_corners=True)),
        (OptionError, "antialias", lambda: ops.interpolate(x, 2, mode="area", antialias=True)),
        (OptionError, "at least 1", lambda: ops.interpolate(x, scale_factor=0.2)),
        (OptionError, "positive", lambda: ops.interpolate(x, scale_factor=-1.0)),
        (OptionError, "recompute", lambda: ops.interpolate(x, 2, recompute_scale_factor=True)),
        (ShapeError, r"\(N, C, H, W\)", lambda: ops.interpolate(x[0], 2)),
        (DtypeError, "int64", lambda: ops.interpolate(np.ones((1, 1, 2, 2), int), 2)),
        (DtypeError, "int64", lambda: ops.unfold(np.ones((1, 1, 2, 2), int), 2)),
        (ShapeError, "span 5", lambda: ops.unfold(x, 5)),
        (ShapeError, r"\(N, C\*R\*S, L\)", lambda: ops.fold(x, 4, 2)),
        (ShapeError, "have columns", lambda: ops.fold(np.ones((1, 5, 9)), 4, 2)),
        (OptionError, "kernel_size", lambda: ops.unfold(x, 0)),
    ]
    for kind, words, call in refusals:
        with pytest.raises(kind, match=words) as error:
            call()
        assert "\n" not in str(error.value)
