"""softmax, its vjp and logsumexp: every kernel against the definition in extended precision."""

import math

import numpy as np
import pytest
from kernel_checks import (
    LAYOUTS,
    assert_bit_equal_for_all_thread_counts,
    assert_within,
    call_unmodified,
    lay_out,
    native_or_skip,
    normal,
)

from tinygan import kernels
from tinygan.errors import ShapeError
from tinygan.testing.bounds import bound_of

SHAPES = [((5, 7), 1), ((3, 16), -1), ((2, 33, 3, 4), 1), ((4, 5, 70), 0), ((9,), 0), ((1, 1), 0)]
INF, NAN = math.inf, math.nan


@pytest.fixture(params=["numpy", "cpp"], autouse=True)
def backend(request):
    """Run every test on the reference and on the C++ kernels."""
    if request.param == "cpp":
        native_or_skip()
    with kernels.use_backend(request.param):
        yield request.param


def definition(x, axis):
    """Return softmax and logsumexp by their definition, in extended precision."""
    e = np.exp(x.astype(np.longdouble))
    total = e.sum(axis=axis, keepdims=True)
    return e / total, np.log(total)


def bound(op, dtype, *arrays, **params):
    wide = [a.astype(np.float64) for a in arrays]
    return bound_of(kernels.choose(op, *arrays, **params), dtype, *wide, **params)[0]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_kernels_are_the_definition(shape, axis, dtype, layout):
    x = lay_out(3 * normal(0, shape, dtype), layout)
    softmax, logsumexp = definition(x, axis)
    y = call_unmodified("softmax", x, axis=axis)
    assert y.dtype == dtype
    assert_within(y, softmax, bound("softmax", dtype, x, axis=axis))
    y = call_unmodified("logsumexp", x, axis=axis)
    assert y.dtype == dtype
    assert_within(y, logsumexp, bound("logsumexp", dtype, x, axis=axis))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_the_vjp_multiplies_by_the_matrix_of_derivatives(shape, axis, dtype, layout):
    y = lay_out(definition(normal(0, shape, np.float64), axis)[0].astype(dtype), layout)
    gy = lay_out(normal(1, shape, dtype), layout)
    gx = call_unmodified("softmax_vjp", y, gy, axis=axis)
    p, g = (np.moveaxis(a.astype(np.longdouble), axis, -1) for a in (y, gy))
    jacobian = p[..., :, None] * np.eye(p.shape[-1]) - p[..., :, None] * p[..., None, :]
    expected = np.moveaxis((jacobian @ g[..., None])[..., 0], -1, axis)
    assert_within(gx, expected, bound("softmax_vjp", dtype, y, gy, axis=axis))


@pytest.mark.parametrize("width", [3, 16, 40])
def test_no_size_of_an_entry_overflows(width):
    x = np.full((2, width), -1.5e38, np.float32)
    x[0, 1] = x[1, :] = 1.5e38
    y = kernels.call("softmax", x, axis=1)
    np.testing.assert_allclose(y[0], np.eye(width)[1])
    np.testing.assert_allclose(y[1], 1 / width, rtol=1e-6)
    assert np.isfinite(kernels.call("logsumexp", x, axis=1)).all()


@pytest.mark.parametrize("width", [4, 35])
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_infinities_and_nan_are_what_the_definition_makes_of_them(width):
    x = np.zeros((5, width), np.float32)
    x[0, 2], x[1, 0], x[2, :], x[3, 1], x[4, 2], x[4, 0] = -INF, INF, -INF, NAN, NAN, INF
    y = kernels.call("softmax", x, axis=1)
    np.testing.assert_allclose(y[0], np.delete(np.full(width + 1, 1 / (width - 1)), 0)
                               * (np.arange(width) != 2), rtol=1e-6)  # fmt: skip
    np.testing.assert_array_equal(y[1], [NAN] + [0] * (width - 1))
    assert np.isnan(y[2:]).all()
    lse = kernels.call("logsumexp", x, axis=1)[:, 0]
    np.testing.assert_allclose(lse, [math.log(width - 1), INF, -INF, NAN, NAN], rtol=1e-6)


def test_a_channels_last_image_stays_so():
    x = lay_out(normal(0, (2, 5, 3, 4), np.float32), "channels_last")
    for op in ("softmax", "logsumexp"):
        assert kernels.call(op, x, axis=1).transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("op", ["softmax", "softmax_vjp", "logsumexp"])
def test_misfits_are_named(backend, op):
    arrays = [np.zeros((2, 3))] * (2 if op == "softmax_vjp" else 1)
    with pytest.raises(ShapeError, match=rf"{op}: x \(2, 3\) has no axis 2"):
        kernels.call(op, *arrays, axis=2)
    if backend == "numpy":  # the C++ kernels refuse to run on no elements
        with pytest.raises(ShapeError, match="has no element along axis 1"):
            kernels.call(op, *[a[:, :0] for a in arrays], axis=1)


@pytest.mark.parametrize("op", ["softmax", "softmax_vjp", "logsumexp"])
def test_threads_give_the_same_bits(backend, op):
    if backend != "cpp":
        pytest.skip("the reference has one thread")
    arrays = [normal(k, (700, 77), np.float32) for k in range(2 if op == "softmax_vjp" else 1)]
    assert_bit_equal_for_all_thread_counts(lambda: kernels.call(op, *arrays, axis=1))
