import numpy as np
import pytest
from kernel_checks import (
    LAYOUTS,
    assert_bit_equal_for_all_thread_counts,
    call_unmodified,
    lay_out,
    native_or_skip,
    normal,
)

from tinygan import kernels
from tinygan.errors import OptionError, ShapeError

WINDOWS = [  # kernel, stride, padding
    ((2, 2), (2, 2), (0, 0)),
    ((3, 3), (2, 2), (1, 1)),
    ((3, 2), (1, 3), (1, 0)),
    ((1, 1), (1, 1), (0, 0)),
    ((5, 4), (2, 1), (2, 2)),
    ((2, 3), (4, 5), (0, 1)),
]
SHAPE = (2, 3, 7, 6)
WIDE = (2, 37, 5, 6)  # channels of whole vectors and a tail


@pytest.fixture(params=["numpy", "cpp"], autouse=True)
def backend(request):
    """Run every test on the reference and on the C++ kernels."""
    if request.param == "cpp":
        native_or_skip()
    with kernels.use_backend(request.param, "numpy"):
        yield request.param


def spec(window):
    return dict(zip(("kernel", "stride", "padding"), window, strict=True))


def windows(x, kernel, stride, padding):
    """Yield (n, c, p, q), the elements of the window inside x, and their indices into H * W."""
    (n, c, h, w), (ph, pw) = x.shape, padding
    extents = [
        (e + 2 * p - k) // s + 1 for e, k, s, p in zip((h, w), kernel, stride, padding, strict=True)
    ]
    for at in np.ndindex(n, c, *extents):
        rows = [at[2] * stride[0] - ph + r for r in range(kernel[0])]
        columns = [at[3] * stride[1] - pw + s for s in range(kernel[1])]
        inside = [(i, j) for i in rows for j in columns if 0 <= i < h and 0 <= j < w]
        yield at, [x[at[0], at[1], i, j] for i, j in inside], [i * w + j for i, j in inside]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("include_pad", [True, False])
@pytest.mark.parametrize("shape", [SHAPE, WIDE])
def test_avg_pool_is_the_mean_of_each_window(shape, window, include_pad, layout):
    x = lay_out(normal(0, shape, np.float64), layout)
    y = call_unmodified("avg_pool2d", x, **spec(window), count_include_pad=include_pad)
    for at, values, _ in windows(x, *window):
        count = window[0][0] * window[0][1] if include_pad else len(values)
        np.testing.assert_allclose(y[at], sum(values) / count, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("include_pad", [True, False])
def test_avg_pool_adjoint_is_the_transpose(window, include_pad):
    params = {**spec(window), "count_include_pad": include_pad}
    x = normal(0, SHAPE, np.float64)
    y = kernels.call("avg_pool2d", x, **params)
    gy = lay_out(normal(1, y.shape, np.float64), "strided")
    gx = call_unmodified("avg_pool2d_adjoint", gy, **params, x_shape=SHAPE)
    assert gx.shape == SHAPE
    np.testing.assert_allclose((gy * y).sum(), (gx * x).sum(), rtol=1e-12)
    one = np.zeros(SHAPE)
    one[1, 2, 3, 4] = 1  # a column of the matrix, to pin single elements
    column = kernels.call("avg_pool2d", one, **params)
    np.testing.assert_allclose(gx[1, 2, 3, 4], (column * gy).sum(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("shape", [SHAPE, WIDE])
def test_max_pool_picks_the_first_maximum(shape, window, layout):
    values = np.random.default_rng(0).integers(-3, 3, shape)  # many ties
    x = lay_out(values.astype(np.float32), layout)
    y, index = call_unmodified("max_pool2d", x, **spec(window))
    assert index.dtype == np.int64
    for at, window_values, where in windows(x, *window):
        assert index[at] == where[int(np.argmax(window_values))]
        assert y[at] == max(window_values)


def test_padding_never_wins():
    for value in (-np.inf, -1e38):
        x = np.full((1, 1, 3, 3), value, np.float32)
        _, index = kernels.call("max_pool2d", x, kernel=(3, 3), stride=(2, 2), padding=(1, 1))
        np.testing.assert_array_equal(index[0, 0], [[0, 1], [3, 4]])


def test_nan_wins_the_window():
    x = np.zeros((1, 1, 4, 4), np.float32)
    x[0, 0, 0, 1] = x[0, 0, 1, 0] = np.nan
    x[0, 0, 1, 1] = 9
    _, index = kernels.call("max_pool2d", x, kernel=(2, 2), stride=(2, 2), padding=(0, 0))
    assert index[0, 0, 0, 0] == 4  # the last NaN, as in PyTorch
    y = kernels.call("gather2d", x, index)
    assert np.isnan(y[0, 0]).tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gather_picks_from_each_plane(layout):
    x = lay_out(normal(0, SHAPE, np.float64), layout)
    index = lay_out(np.random.default_rng(1).integers(0, 42, (2, 3, 4, 5)), layout)
    y = call_unmodified("gather2d", x, index)
    for n, c, p, q in np.ndindex(*index.shape):
        assert y[n, c, p, q] == x[n, c].ravel()[index[n, c, p, q]]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_scatter_adds_up_duplicates(layout):
    gy = lay_out(normal(0, (2, 3, 4, 5), np.float64), layout)
    index = np.random.default_rng(1).integers(0, 6, (2, 3, 4, 5))
    gx = call_unmodified("scatter2d", gy, index, x_shape=(2, 3, 2, 3))
    want = np.zeros((2, 3, 6))
    for n, c, p, q in np.ndindex(*index.shape):
        want[n, c, index[n, c, p, q]] += gy[n, c, p, q]
    np.testing.assert_allclose(gx, want.reshape(2, 3, 2, 3), rtol=1e-12)


def test_scatter_is_the_adjoint_of_gather():
    x, gy = normal(0, SHAPE, np.float64), normal(1, (2, 3, 4, 5), np.float64)
    index = np.random.default_rng(2).integers(0, 42, gy.shape)
    y = kernels.call("gather2d", x, index)
    gx = kernels.call("scatter2d", gy, index, x_shape=SHAPE)
    np.testing.assert_allclose((y * gy).sum(), (x * gx).sum(), rtol=1e-12)


def test_outputs_are_channels_last():
    x, window = normal(0, SHAPE, np.float32), spec(WINDOWS[1])
    _, index = kernels.call("max_pool2d", x, **window)
    y = kernels.call("avg_pool2d", x, **window)
    outputs = [index, y, kernels.call("gather2d", x, index)]
    outputs.append(kernels.call("scatter2d", y, index, x_shape=SHAPE))
    outputs.append(kernels.call("avg_pool2d_adjoint", y, **window, x_shape=SHAPE))
    for out in outputs:
        assert out.transpose(0, 2, 3, 1).flags.c_contiguous
    assert [out.dtype.name for out in outputs] == ["int64"] + ["float32"] * 4


def test_an_empty_batch_gives_an_empty_result():
    x, window = np.zeros((0, 3, 4, 4), np.float32), spec(WINDOWS[0])
    _, index = kernels.call("max_pool2d", x, **window)
    assert kernels.call("avg_pool2d", x, **window).shape == (0, 3, 2, 2)
    assert kernels.call("gather2d", x, index).shape == (0, 3, 2, 2)
    assert kernels.call("scatter2d", x[:, :, :2, :2], index, x_shape=x.shape).shape == x.shape


def test_misfits_are_named():
    x = np.zeros((1, 2, 4, 4), np.float32)
    with pytest.raises(OptionError, match="at most half of the kernel"):
        kernels.call("avg_pool2d", x, kernel=(2, 2), stride=(2, 2), padding=(2, 0))
    with pytest.raises(OptionError, match="must be at least 1"):
        kernels.call("max_pool2d", x, kernel=(2, 2), stride=(0, 2), padding=(0, 0))
    with pytest.raises(ShapeError, match="no window"):
        kernels.call("avg_pool2d", x, kernel=(5, 2), stride=(2, 2), padding=(0, 0))
    with pytest.raises(ShapeError, match="must be"):
        kernels.call("avg_pool2d", x[0], kernel=(2, 2), stride=(2, 2), padding=(0, 0))
    with pytest.raises(ShapeError, match="got"):
        kernels.call("gather2d", x, np.zeros((1, 3, 1, 1), np.int64))
    params = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0)}
    with pytest.raises(ShapeError, match="gy must have the shape"):
        kernels.call("avg_pool2d_adjoint", x, **params, x_shape=(1, 2, 4, 4))


def test_an_index_outside_the_image_is_refused():
    x, window = normal(0, SHAPE, np.float32), spec(WINDOWS[0])
    y, index = kernels.call("max_pool2d", x, **window)
    index = index.copy()
    index[1, 2, 0, 0] = 42
    with pytest.raises((ValueError, IndexError)):
        kernels.call("gather2d", x, index)
    with pytest.raises((ValueError, IndexError)):
        kernels.call("scatter2d", y, index, x_shape=SHAPE)


@pytest.mark.parametrize("op", ["avg_pool2d", "avg_pool2d_adjoint", "max_pool2d", "scatter2d"])
def test_threads_give_the_same_bits(backend, op):
    if backend != "cpp":
        pytest.skip("the reference has one thread")
    window, shape = spec(WINDOWS[1]), (3, 70, 33, 30)
    x = lay_out(normal(0, shape, np.float32), "channels_last")
    y, index = kernels.call("max_pool2d", x, **window)
    calls = {
        "avg_pool2d": lambda: kernels.call(op, x, **window),
        "avg_pool2d_adjoint": lambda: kernels.call(op, y, **window, x_shape=shape),
        "max_pool2d": lambda: kernels.call(op, x, **window),
        "scatter2d": lambda: kernels.call(op, y, index, x_shape=shape),
    }
    assert_bit_equal_for_all_thread_counts(calls[op])
