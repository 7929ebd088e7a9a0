import itertools

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
from tinygan.errors import NoKernelError, ShapeError

LONG = np.longdouble
KINDS = ("sum", "max", "min")
BACKENDS = ("numpy", "cpp")
SHAPES = ((), (1,), (17,), (5, 7), (2, 3, 4, 5), (3, 1, 9, 2), (40, 33))


@pytest.fixture(params=BACKENDS)
def order(request):
    """Give the backends to use: the one named, then the reference for what it refuses."""
    if request.param == "cpp":
        native_or_skip()
    with kernels.use_backend(request.param, "numpy"):
        yield request.param


def naive(kind, x, axis, keepdims):
    """Reduce with Python loops over the elements."""
    kept = [a for a in range(x.ndim) if a not in axis]
    out = {}
    for at in np.ndindex(x.shape):
        key = tuple(at[a] for a in kept)
        value = LONG(x[at])
        if key not in out:
            out[key] = value
        elif kind == "sum":
            out[key] += value
        else:
            out[key] = max(out[key], value) if kind == "max" else min(out[key], value)
    shape = [x.shape[a] for a in kept]
    flat = np.array([out.get(key, LONG(0)) for key in np.ndindex(*shape)], LONG)
    wide = [1 if a in axis else extent for a, extent in enumerate(x.shape)]
    return flat.reshape(wide if keepdims else shape)


def all_axes(ndim):
    return [a for n in range(ndim + 1) for a in itertools.combinations(range(ndim), n)]


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_set_of_axes_in_every_layout(kind, layout, dtype):
    for shape in SHAPES:
        if layout == "broadcast" and not shape:
            continue
        x = lay_out(normal(0, shape, dtype), layout)
        for axis in all_axes(len(shape)):
            for keepdims in (False, True):
                got = call_unmodified(kind, x, axis=axis, keepdims=keepdims)
                exact = naive(kind, x, axis, keepdims)
                bound = 0 * exact
                if kind == "sum":  # float64 terms, one rounding to the dtype
                    size = naive("sum", np.abs(x), axis, keepdims)
                    bound = np.finfo(dtype).eps * np.abs(exact) + x.size * 2.3e-16 * size
                assert got.dtype == dtype
                assert isinstance(got, np.ndarray)
                assert_within(got, exact, bound)


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize("shape", [(3, 20000, 2), (200_000,), (2, 70_000), (300, 5, 40, 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_many_blocks_agree_with_a_sum_in_extended_precision(kind, shape):
    x = normal(0, shape, np.float32)
    for axis in ((0,), (len(shape) - 1,), tuple(range(len(shape)))):
        got = kernels.call(kind, x, axis=axis, keepdims=False)
        exact = getattr(x.astype(LONG), kind)(axis=axis)
        bound = 6e-8 * np.abs(exact) + 1e-9 if kind == "sum" else 0 * np.abs(exact)
        assert_within(got, exact, bound)


@pytest.mark.usefixtures("order")
def test_small_integers_add_up_exactly():
    x = np.random.default_rng(0).integers(-50, 50, (64, 7, 30)).astype(np.float32)
    got = kernels.call("sum", x, axis=(0, 2), keepdims=False)
    np.testing.assert_array_equal(got, x.astype(np.int64).sum(axis=(0, 2)))


@pytest.mark.usefixtures("order")
def test_a_channels_last_sum_keeps_its_digits():
    # NumPy's float32 row-by-row sum is off by 1e-3 here.
    x = lay_out(np.full((64, 4, 64, 64), 0.1, np.float32), "channels_last")
    got = kernels.call("sum", x, axis=(0, 2, 3), keepdims=False)
    np.testing.assert_allclose(got, 64**3 * float(np.float32(0.1)), rtol=6e-8)


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize("position", [0, 5, 16, 99])
@pytest.mark.parametrize("kind", KINDS)
def test_nan_wins(kind, position):
    x = normal(0, (100, 3), np.float32)
    x[position, 1] = np.nan
    columns = kernels.call(kind, x, axis=(0,), keepdims=False)
    rows = kernels.call(kind, np.ascontiguousarray(x.T), axis=(1,), keepdims=False)
    assert np.isnan(columns).tolist() == np.isnan(rows).tolist() == [False, True, False]


@pytest.mark.usefixtures("order")
def test_infinities_are_found():
    x = np.full((40, 2), -np.inf, np.float32)
    assert kernels.call("max", x, axis=(0, 1), keepdims=False) == -np.inf
    assert kernels.call("min", -x, axis=(0, 1), keepdims=False) == np.inf


def test_sums_over_nothing_are_zero_and_maxima_are_refused():
    x = np.zeros((0, 3), np.float32)
    got = kernels.call("sum", x, axis=(0,), keepdims=True)
    np.testing.assert_array_equal(got, np.zeros((1, 3)))
    for kind in ("max", "min"):
        with pytest.raises(ShapeError, match="no element along axis"):
            kernels.call(kind, x, axis=(0,), keepdims=False)
        assert kernels.call(kind, x, axis=(1,), keepdims=False).shape == (0,)


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize("axis", [(2,), (-3,), (0, 0), (0, -2)])
def test_axes_that_do_not_fit_are_named(axis):
    with pytest.raises(ShapeError, match="does not fit"):
        kernels.call("sum", np.ones((2, 3), np.float32), axis=axis, keepdims=False)


@pytest.mark.usefixtures("order")
def test_negative_axes_count_from_the_end():
    x = normal(0, (2, 3, 4), np.float64)
    got = kernels.call("sum", x, axis=(-1, 0), keepdims=True)
    np.testing.assert_allclose(got, x.sum(axis=(0, 2), keepdims=True), rtol=1e-14)


def test_the_result_is_a_new_array(order):
    x = np.ones((2, 3))
    out = kernels.call("sum", x, axis=(), keepdims=False)
    out[...] = 5
    np.testing.assert_array_equal(x, 1)


def test_cpp_says_which_axes_it_refuses():
    native_or_skip()
    x = np.ones((2, 3, 4, 5))
    with kernels.use_backend("cpp"), pytest.raises(NoKernelError, match="side by side"):
        kernels.call("sum", x, axis=(0, 2), keepdims=False)
    assert "side by side" in kernels.explain("sum", x, axis=(0, 2), keepdims=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axis", [(0,), (1,), (2,), (0, 1), (0, 1, 2)])
def test_bits_do_not_depend_on_threads(kind, axis):
    x = normal(0, (60, 70, 80), np.float32)
    assert_bit_equal_for_all_thread_counts(lambda: kernels.call(kind, x, axis=axis, keepdims=False))


def test_binding_refuses_what_would_corrupt_memory():
    native = native_or_skip()
    x, y = np.ones((2, 3, 4), np.float32), np.empty((2, 4), np.float32)
    wrong = [(x, 3, y), (x, -1, y), (x, 0, y.T), (x, 0, y[:, :3]), (x[0], 0, y), (x[:0], 0, y[:0])]
    wrong += [(x, 0, x[:, 0]), (x.astype("d"), 0, y), (x[:, ::-1], 0, y), (x.tolist(), 0, y)]
    for arguments in wrong:
        with pytest.raises((ValueError, TypeError)):
            native.reduce(*arguments)
