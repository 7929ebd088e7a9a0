"""Convolutions along one and three axes against loops over their definition."""

import numpy as np
import pytest

from tinygan import Tensor, grad, ops
from tinygan import kernels as tgk
from tinygan.errors import DtypeError, OptionError, ShapeError
from tinygan.testing import check_grads

RNG = np.random.default_rng(0)

GEOMETRIES = [  # x, channels out, kernel, stride, padding, dilation, groups
    ((2, 3, 5, 4, 6), 4, (3, 2, 3), (1, 1, 1), (1, 0, 1), (1, 1, 1), 1),
    ((1, 4, 6, 5, 4), 6, (2, 3, 1), (2, 1, 3), (0, 2, 0), (2, 1, 1), 2),
    ((2, 3, 4, 4, 4), 3, (4, 4, 4), (2, 2, 2), (1, 1, 1), (1, 1, 1), 3),
    ((1, 1, 1, 1, 1), 2, (1, 1, 1), (1, 1, 1), (0, 0, 0), (1, 1, 1), 1),
    ((1, 2, 7, 3, 3), 2, (2, 1, 2), (4, 1, 2), (0, 0, 1), (3, 1, 1), 1),
    ((1, 2, 2, 2, 2), 1, (2, 2, 2), (1, 2, 1), (2, 2, 2), (1, 2, 1), 1),
]


def terms(x_shape, w_shape, y_shape, stride, padding, dilation, groups):
    """Yield (index of x, of w, of y) for each product of a convolution along any axes."""
    outer = w_shape[0] // groups
    for y_at in np.ndindex(*y_shape):
        n, o, *places = y_at
        for w_at in np.ndindex(*w_shape[1:]):
            c, *taps = w_at
            at = [
                p * s - pad + t * d
                for p, t, s, pad, d in zip(places, taps, stride, padding, dilation, strict=True)
            ]
            if all(0 <= i < size for i, size in zip(at, x_shape[2:], strict=True)):
                yield (n, o // outer * w_shape[1] + c, *at), (o, *w_at), y_at


def problem(axes, geometry):
    """Return the operands and options of a convolution along the last ``axes`` axes."""
    x_shape, out, kernel, *options, groups = geometry
    x_shape = (*x_shape[:2], *x_shape[5 - axes :])
    kernel, stride, padding, dilation = (v[3 - axes :] for v in (kernel, *options))
    sizes = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(x_shape[2:], kernel, stride, padding, dilation, strict=True)
    ]
    shapes = x_shape, (out, x_shape[1] // groups, *kernel), (x_shape[0], out, *sizes)
    params = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, w, y = (RNG.integers(-3, 4, shape).astype(np.float64) for shape in shapes)
    return x, w, y, params


def op(axes, transposed=False):
    return getattr(ops, f"conv_transpose{axes}d" if transposed else f"conv{axes}d")


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("axes", [1, 3])
def test_convolutions_equal_loops_over_their_terms(backend, axes, geometry):
    x, w, g, params = problem(axes, geometry)
    want, gx, gw = np.zeros(g.shape), np.zeros(x.shape), np.zeros(w.shape)
    for i, j, k in terms(x.shape, w.shape, g.shape, **params):
        want[k] += x[i] * w[j]
        gx[i] += g[k] * w[j]
        gw[j] += x[i] * g[k]
    b = RNG.integers(-3, 4, len(w)).astype(np.float64)
    wide = b.reshape(-1, *[1] * axes)
    tx, tw, tb = (Tensor(a, requires_grad=True) for a in (x, w, b))
    with tgk.use_backend(backend, "numpy"):
        y = op(axes)(tx, tw, tb, **params)
        found = grad(y, [tx, tw, tb], Tensor(g))
        bare = op(axes)(x.astype(np.float32), w.astype(np.float32), **params)
    np.testing.assert_array_equal(y.data, want + wide)
    np.testing.assert_array_equal(bare.data, want)
    assert bare.dtype == np.float32
    expected = (gx, gw, g.sum(axis=(0, *range(2, g.ndim))))
    for a, e in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a.data, e)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("axes", [1, 3])
def test_transposed_convolutions_equal_loops_over_their_terms(backend, axes, geometry):
    x, w, g, params = problem(axes, geometry)
    fits = zip(g.shape[2:], w.shape[2:], *(params[k] for k in ("stride", "padding", "dilation")),
               x.shape[2:], strict=True)  # fmt: skip
    extra = [size - ((p - 1) * s - 2 * pad + d * (k - 1) + 1) for p, k, s, pad, d, size in fits]
    want = np.zeros(x.shape)
    for i, j, k in terms(x.shape, w.shape, g.shape, **params):
        want[i] += g[k] * w[j]
    b = RNG.integers(-3, 4, x.shape[1]).astype(np.float64)
    with tgk.use_backend(backend, "numpy"):
        y = op(axes, True)(g, w, b, output_padding=tuple(extra), **params)
        bare = op(axes, True)(g, w, output_padding=tuple(extra), **params)
    np.testing.assert_array_equal(y.data, want + b.reshape(-1, *[1] * axes))
    np.testing.assert_array_equal(bare.data, want)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("axes", [1, 3])
def test_derivatives_are_right_to_third_order(backend, axes, transposed):
    x, w, g, params = problem(axes, GEOMETRIES[2])
    x, g = x[:1], g[:1]
    inputs = [g if transposed else x, w, np.zeros(w.shape[1] * 3 if transposed else len(w))]
    scaled = [a / 10 + 0.1 for a in inputs]
    with tgk.use_backend(backend, "numpy"):
        order = 3 if axes == 1 else 2  # to order 3 in tests/test_properties.py, on smaller volumes
        check_grads(lambda *xs: op(axes, transposed)(*xs, **params), scaled, order=order)


def test_volumes_stay_channels_last_in_memory():
    x = RNG.normal(size=(2, 4, 5, 6, 3)).astype(np.float32).transpose(0, 4, 1, 2, 3)
    w = RNG.normal(size=(5, 3, 3, 3, 3)).astype(np.float32)
    y = ops.conv3d(x, w, np.zeros(5, np.float32), padding=1)
    z = ops.conv_transpose3d(y, w, np.zeros(3, np.float32), padding=1)
    for a in (y, z):
        assert a.dtype == np.float32
        assert a.data.transpose(0, 2, 3, 4, 1).flags.c_contiguous


def test_empty_batches():
    y = ops.conv3d(np.zeros((0, 2, 4, 4, 4)), np.ones((3, 2, 2, 2, 2)), np.ones(3))
    assert y.shape == (0, 3, 3, 3, 3)
    y = ops.conv_transpose3d(np.zeros((0, 2, 4, 4, 4)), np.ones((2, 3, 2, 2, 2)), np.ones(3))
    assert y.shape == (0, 3, 5, 5, 5)
    assert ops.conv1d(np.zeros((0, 2, 4)), np.ones((3, 2, 2)), np.ones(3)).shape == (0, 3, 3)


def test_what_does_not_fit_is_named():
    x, w = np.ones((1, 4, 5, 5, 5)), np.ones((2, 4, 3, 3, 3))
    x1, w1 = x[..., 0, 0], w[..., 0, 0]
    refusals = [
        (ShapeError, "axes", lambda: ops.conv3d(x[0], w)),
        (ShapeError, "axes", lambda: ops.conv1d(x, w)),
        (ShapeError, "4 channels", lambda: ops.conv3d(x[:, :3], w)),
        (ShapeError, "groups=3", lambda: ops.conv3d(x, w, groups=3)),
        (ShapeError, "spans 3", lambda: ops.conv3d(x[:, :, :2], w)),
        (ShapeError, "spans 3", lambda: ops.conv3d(x[:, :, :, :2], w)),
        (ShapeError, r"b \(3,\) must be \(2,\)", lambda: ops.conv3d(x, w, np.ones(3))),
        (ShapeError, "axes", lambda: ops.conv_transpose3d(x[0], w)),
        (ShapeError, "groups", lambda: ops.conv_transpose3d(x[:, :1], w)),
        (ShapeError, r"must be \(4,\)", lambda: ops.conv_transpose3d(x[:, :2], w, np.ones(3))),
        (
            OptionError,
            "output_padding",
            lambda: ops.conv_transpose3d(x[:, :2], w, output_padding=1),
        ),
        (OptionError, "stride", lambda: ops.conv3d(x, w, stride=(1, 2))),
        (OptionError, "stride", lambda: ops.conv1d(x[..., 0, 0], w[..., 0, 0], stride=(1, 2))),
        (OptionError, "stride=0: use an int, at", lambda: ops.conv1d(x1, w1, stride=0)),
        (OptionError, "padding='same'", lambda: ops.conv1d(x1, w1, padding="same")),
        (OptionError, "groups=0", lambda: ops.conv1d(x1, w1, groups=0)),
        (ShapeError, "4 channels", lambda: ops.conv1d(x1[:, :3], w1)),
        (ShapeError, "padding >= 1", lambda: ops.conv1d(x1[..., :2], w1)),
        (ShapeError, "nothing", lambda: ops.conv1d(x1[..., :0], w1)),
        (ShapeError, "2 channels", lambda: ops.conv_transpose1d(x1, w1)),
        (ShapeError, "padding <= 3", lambda: ops.conv_transpose1d(x1[:, :2], w1, padding=9)),
        (DtypeError, "float32", lambda: ops.conv3d(x.astype(np.float32), w)),
        (DtypeError, "b float32", lambda: ops.conv3d(x, w, np.ones(2, np.float32))),
        (
            DtypeError,
            "b float32",
            lambda: ops.conv_transpose3d(x[:, :2], w, np.ones(4, np.float32)),
        ),
    ]
    for kind, words, call in refusals:
        with pytest.raises(kind, match=words) as error:
            call()
        assert "\n" not in str(error.value)
        assert str(error.value).startswith("conv")
        assert "2d" not in str(error.value)
