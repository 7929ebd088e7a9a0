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
from tinygan.errors import DtypeError, ShapeError

EPS = 1e-5
DTYPES = (np.float32, np.float64)
SHAPES = ((8, 3), (64, 100), (5, 3, 4, 7), (2, 16, 3, 3), (3, 1, 2, 2), (2, 20, 1, 1), (1, 4, 5, 3))
LONG = np.longdouble


def column(a, x):
    return a.astype(LONG).reshape((1, -1) + (1,) * (x.ndim - 2))


def axes(x):
    return (0, *range(2, x.ndim))


def exact_statistics(x):
    x = x.astype(LONG)
    mean = x.mean(axis=axes(x), keepdims=True)
    return mean, ((x - mean) ** 2).mean(axis=axes(x), keepdims=True)


def exact_batch_norm(x, weight, bias, eps=EPS):
    mean, var = exact_statistics(x)
    return column(weight, x) * (x - mean) / np.sqrt(var + eps) + column(bias, x)


def exact_vjp(x, weight, gy, eps=EPS):
    """Give the chain rule step by step, without the closed form that the kernels use."""
    mean, var = exact_statistics(x)
    d, n = x - mean, x.size // x.shape[1]
    g_hat = gy * column(weight, x)
    g_var = (g_hat * d).sum(axis=axes(x), keepdims=True) * -0.5 * (var + eps) ** LONG(-1.5)
    g_d = g_hat / np.sqrt(var + eps) + g_var * 2 * d / n
    gx = g_d - g_d.mean(axis=axes(x), keepdims=True)
    x_hat = d / np.sqrt(var + eps)
    return gx, (gy * x_hat).sum(axis=axes(x)), gy.astype(LONG).sum(axis=axes(x))


def batch_norm(x, weight, bias, *, segments=1, **params):
    """Call the kernels of the forward pass on the batch's own statistics."""
    mean, var = call_unmodified("batch_norm_stats", x, segments=segments)
    return call_unmodified("batch_norm", x, weight, bias, mean, var, eps=EPS, **params)


def batch_norm_vjp(x, weight, bias, gy, *, segments=1, **params):
    mean, var = kernels.call("batch_norm_stats", x, segments=segments)
    operands = x, weight, bias, gy, mean, var
    return call_unmodified("batch_norm_vjp", *operands, eps=EPS, **params)


def problem(shape, dtype, seed=0):
    x = normal(seed, shape, dtype) * dtype(2) + dtype(1.5)
    weight, bias = normal(seed + 1, shape[1], dtype), normal(seed + 2, shape[1], dtype)
    return x, weight, bias, normal(seed + 3, shape, dtype)


def rounding(x, size):
    """Bound what n-term float64 sums and the products after them lose, relative to ``size``."""
    n = x.size // x.shape[1]
    return (n + 16) * np.finfo(np.float64).eps * size


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_forward_is_the_definition_rounded_once(backend, shape, dtype):
    x, weight, bias, _ = problem(shape, dtype)
    exact = exact_batch_norm(x, weight, bias)
    mean, var = exact_statistics(x)
    spread = column(np.abs(weight), x) * (np.abs(x) + np.abs(mean).max()) / np.sqrt(var + EPS)
    size = spread + column(np.abs(bias), x)
    with kernels.use_backend(backend):
        y = batch_norm(x, weight, bias)
    assert y.dtype == dtype
    # |x - mean| / std is at most sqrt(n), which scales the error of the variance
    bound = np.finfo(dtype).eps * np.abs(exact) + rounding(x, size) * np.sqrt(x.size)
    assert_within(y, exact, bound)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_vjp_is_the_chain_rule_rounded_once(backend, shape, dtype):
    x, weight, bias, gy = problem(shape, dtype)
    exact = exact_vjp(x, weight, gy)
    with kernels.use_backend(backend):
        got = batch_norm_vjp(x, weight, bias, gy)
    _, var = exact_statistics(x)
    inv_std = 1 / np.sqrt(var + EPS).min()
    n = x.size // x.shape[1]
    size = np.abs(gy).max() * max(np.abs(weight).max(), 1) * np.abs(x).max() * inv_std**3 * n
    for a, e in zip(got, exact, strict=True):
        assert a.dtype == dtype
        assert_within(a, e, np.finfo(dtype).eps * np.abs(e) + rounding(x, size))


def test_reference_vjp_agrees_with_finite_differences():
    x, weight, bias, gy = problem((4, 2, 3, 1), np.float64)
    h = LONG(1e-6)

    def loss(x, weight, bias):
        return (gy * exact_batch_norm(x, weight, bias)).sum()

    operands = [a.astype(LONG) for a in (x, weight, bias)]
    with kernels.use_backend("numpy"):
        got = batch_norm_vjp(x, weight, bias, gy)
    for i, a in enumerate(operands):
        difference = np.zeros_like(a)
        for at in np.ndindex(a.shape):
            step = np.zeros_like(a)
            step[at] = h
            plus, minus = [*operands], [*operands]
            plus[i], minus[i] = a + step, a - step
            difference[at] = (loss(*plus) - loss(*minus)) / (2 * h)
        np.testing.assert_allclose(got[i], difference, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_statistics_are_float64(backend, shape, dtype):
    x = problem(shape, dtype)[0]
    with kernels.use_backend(backend):
        mean, var = call_unmodified("batch_norm_stats", x)
    exact_mean, exact_var = (a.reshape(1, -1) for a in exact_statistics(x))
    assert mean.dtype == var.dtype == np.float64
    assert_within(mean, exact_mean, rounding(x, np.abs(x).max()))
    assert_within(var, exact_var, rounding(x, np.abs(x).max() ** 2))


def test_a_large_mean_costs_no_digits(backend):
    # Naive E[x^2] - E[x]^2 in float32 has no correct digit here, and summing rows loses three.
    x = lay_out(1000 + normal(0, (64, 8, 12, 12), np.float32), "channels_last")
    with kernels.use_backend(backend):
        mean, var = kernels.call("batch_norm_stats", x)
    exact_mean, exact_var = (a.reshape(1, -1) for a in exact_statistics(x))
    np.testing.assert_allclose(mean.astype(LONG), exact_mean, rtol=1e-13)
    np.testing.assert_allclose(var.astype(LONG), exact_var, rtol=1e-9)


@pytest.mark.parametrize("offset", [1e5, 1e8])
def test_float64_statistics_survive_an_offset(backend, offset):
    noise = normal(0, (4096, 3), np.float64)
    noise[0] += 1e3  # the first row is no good centre
    x = offset + noise
    with kernels.use_backend(backend):
        _, var = kernels.call("batch_norm_stats", x)
    np.testing.assert_allclose(var.astype(LONG), exact_statistics(x)[1].reshape(1, -1), rtol=1e-9)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(12, 5), (4, 5, 3, 2)])
def test_every_layout_is_read_right(backend, layout, shape):
    x, weight, bias, gy = (lay_out(a, layout) for a in problem(shape, np.float32))
    exact = exact_batch_norm(x, weight, bias)
    exact_grads = exact_vjp(x, weight, gy)
    with kernels.use_backend(backend):
        y = batch_norm(x, weight, bias)
        got = batch_norm_vjp(x, weight, bias, gy)
    np.testing.assert_allclose(y.astype(LONG), exact, rtol=2e-7, atol=1e-12)
    for a, e in zip(got, exact_grads, strict=True):
        np.testing.assert_allclose(a.astype(LONG), e, rtol=2e-7, atol=1e-9)


def test_channels_last_stays_channels_last(backend):
    x, weight, bias, gy = problem((2, 3, 4, 5), np.float32)
    x, gy = lay_out(x, "channels_last"), lay_out(gy, "channels_last")
    with kernels.use_backend(backend):
        assert batch_norm(x, weight, bias).strides == x.strides
        gx, *_ = batch_norm_vjp(x, weight, bias, gy)
    assert gx.strides == x.strides


def test_a_channel_of_equal_values_gives_the_bias(backend):
    x = np.full((6, 2, 2, 2), 7, np.float32)
    weight, bias = np.array([3, -2], np.float32), np.array([0.5, 1], np.float32)
    with kernels.use_backend(backend):
        y = batch_norm(x, weight, bias)
        gx, gweight, _ = batch_norm_vjp(x, weight, bias, x)
    np.testing.assert_array_equal(y, np.broadcast_to(bias.reshape(1, 2, 1, 1), y.shape))
    np.testing.assert_array_equal(gx, 0)
    np.testing.assert_array_equal(gweight, 0)


def test_nan_stays_in_its_channel(backend):
    x, weight, bias, gy = problem((4, 3, 2, 2), np.float32)
    x[1, 1, 0, 1] = np.nan
    with kernels.use_backend(backend):
        y = batch_norm(x, weight, bias)
        gx, gweight, gbias = batch_norm_vjp(x, weight, bias, gy)
    for a in (y, gx):
        assert np.isnan(a[:, 1]).all()
        assert np.isfinite(a[:, [0, 2]]).all()
    assert np.isnan(gweight[1])
    assert np.isfinite(gweight[[0, 2]]).all()
    assert np.isfinite(gbias).all()


def test_no_channels_give_an_empty_array(backend):
    empty = np.zeros((4, 0), np.float32)
    nothing = np.zeros(0, np.float32)
    y = batch_norm(empty, nothing, nothing)  # the reference takes it
    assert y.shape == (4, 0)


def test_an_empty_batch_has_no_statistics():
    x, one = np.zeros((0, 3), np.float32), np.ones(3, np.float32)
    with pytest.raises(ShapeError, match="no value to average"):
        batch_norm(x, one, one)


def test_misfits_are_named(backend):
    x, weight, bias, gy = problem((4, 3), np.float32)
    mean, var = kernels.call("batch_norm_stats", x)
    with kernels.use_backend(backend):
        with pytest.raises(ShapeError, match=r"must be \(3,\)"):
            batch_norm(x, weight[:1], bias)
        with pytest.raises(ShapeError, match="gy must have the shape"):
            batch_norm_vjp(x, weight, bias, gy[:2])
        with pytest.raises(ShapeError, match=r"must be \(N, C"):
            kernels.call("batch_norm_stats", x[0])
        with pytest.raises(ShapeError, match="does not fall into 3 equal batches"):
            kernels.call("batch_norm_stats", x, segments=3)
        with pytest.raises(ShapeError, match=r"must be \(segments, 3\)"):
            kernels.call("batch_norm", x, weight, bias, mean[0], var[0], eps=EPS)
        three = np.ones((3, 3))
        with pytest.raises(ShapeError, match="does not fall into 3 equal batches"):
            kernels.call("batch_norm", x, weight, bias, three, three, eps=EPS)
    with kernels.use_backend("numpy"):
        with pytest.raises(DtypeError, match="must agree"):
            batch_norm(x, weight.astype(np.float64), bias)
        with pytest.raises(DtypeError, match="float64"):
            kernels.call("batch_norm", x, weight, bias, mean.astype("f4"), var, eps=EPS)


@pytest.mark.parametrize("slope", [0.0, 0.2, -0.5, 1.0])
@pytest.mark.parametrize("shape", [(12, 5), (4, 3, 5, 2), (2, 16, 3, 3)])
def test_activation_and_segments_are_those_of_the_definition(backend, shape, slope):
    x, weight, bias, gy = problem(shape, np.float64)
    half = shape[0] // 2
    with kernels.use_backend(backend):
        y = batch_norm(x, weight, bias, segments=2, negative_slope=slope)
        got = batch_norm_vjp(x, weight, bias, gy, segments=2, negative_slope=slope)
    pulled = []
    for rows in (slice(half), slice(half, None)):
        t = exact_batch_norm(x[rows], weight, bias)
        np.testing.assert_allclose(y[rows], np.where(t > 0, t, t * slope), rtol=1e-10, atol=1e-12)
        pulled.append(exact_vjp(x[rows], weight, np.where(t > 0, gy[rows], gy[rows] * slope)))
    expected = (
        np.concatenate([p[0] for p in pulled]),
        *(sum(p[i] for p in pulled) for i in (1, 2)),
    )
    for a, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-9, atol=1e-11)


def test_a_segment_has_the_bits_that_it_has_alone(backend):
    x, weight, bias, gy = problem((6, 5, 7, 3), np.float32)
    with kernels.use_backend(backend):
        y = batch_norm(x, weight, bias, segments=3, negative_slope=0.2)
        gx, *_ = batch_norm_vjp(x, weight, bias, gy, segments=3, negative_slope=0.2)
        for i in (0, 2, 4):
            part = slice(i, i + 2)
            alone = batch_norm(x[part], weight, bias, negative_slope=0.2)
            np.testing.assert_array_equal(y[part], alone)
            g, *_ = batch_norm_vjp(x[part], weight, bias, gy[part], negative_slope=0.2)
            np.testing.assert_array_equal(gx[part], g)


def test_relu_of_what_is_no_number_or_infinite(backend):
    x = np.array([[np.nan, 1, 2], [3, -1, 4]], np.float32)
    weight = np.ones(3, np.float32)
    bias = np.array([0, -np.inf, 0], np.float32)
    mean, var = np.zeros((1, 3)), np.ones((1, 3))
    with kernels.use_backend(backend):
        y = kernels.call("batch_norm", x, weight, bias, mean, var, eps=0.0, negative_slope=0.0)
    np.testing.assert_array_equal(y, [[np.nan, 0, 2], [3, 0, 4]])


@pytest.mark.parametrize("shape", [(64, 48, 16, 16), (4096, 3), (70, 1000)])
def test_bits_do_not_depend_on_threads(shape):
    x, weight, bias, gy = problem(shape, np.float32)
    for slope in (1.0, 0.2):
        options = {"negative_slope": slope, "segments": 2}
        assert_bit_equal_for_all_thread_counts(lambda o=options: batch_norm(x, weight, bias, **o))
        assert_bit_equal_for_all_thread_counts(
            lambda o=options: batch_norm_vjp(x, weight, bias, gy, **o)
        )


def test_many_blocks_agree_with_the_definition(backend):
    x, weight, bias, gy = problem((40000, 5), np.float32)  # several blocks, and a partial row
    with kernels.use_backend(backend):
        y = batch_norm(x, weight, bias)
        got = batch_norm_vjp(x, weight, bias, gy)
    exact = exact_batch_norm(x, weight, bias)
    assert_within(y, exact, np.finfo(np.float32).eps * np.abs(exact) + 1e-11)
    for a, e in zip(got, exact_vjp(x, weight, gy), strict=True):
        assert_within(a, e, np.finfo(np.float32).eps * np.abs(e) + 1e-10)


def test_binding_refuses_what_would_corrupt_memory():
    native = native_or_skip()
    x, y, c = np.zeros((4, 3), np.float32), np.zeros((4, 3), np.float32), np.ones(3, np.float32)
    m = np.ones((1, 3))
    wrong = [
        (x.astype(np.int32), c, c, m, m, EPS, 1.0, y),
        (x.astype(np.float64), c, c, m, m, EPS, 1.0, y),
        (x, c[:2], c, m, m, EPS, 1.0, y),
        (x, c, c, m, m, EPS, 1.0, y[:3]),
        (x, c, c, m, m, EPS, 1.0, x),  # the output is the input
        (x, c, c, m, m, EPS, 1.0, y[::-1]),
        (x[0], c, c, m, m, EPS, 1.0, y),
        (x[:0], c, c, m, m, EPS, 1.0, y[:0]),
        (x.T.copy().T, c, c, m, m, EPS, 1.0, y),
        (x.astype(">f4"), c, c, m, m, EPS, 1.0, y),
        (x.tolist(), c, c, m, m, EPS, 1.0, y),
        (x, None, c, m, m, EPS, 1.0, y),
        (x, c, c, m.astype(np.float32), m, EPS, 1.0, y),
        (x, c, c, m, m[:, :2], EPS, 1.0, y),
        (x, c, c, m[0], m[0], EPS, 1.0, y),
        (x, c, c, m[:0], m[:0], EPS, 1.0, y),
        (x, c, c, np.ones((3, 3)), np.ones((3, 3)), EPS, 1.0, y),  # 4 rows in 3 segments
    ]
    for arguments in wrong:
        with pytest.raises((ValueError, TypeError)):
            native.batch_norm(*arguments)
    y.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        native.batch_norm(x, c, c, m, m, EPS, 1.0, y)
    out = np.empty_like(x), c, np.empty_like(c)
    with pytest.raises(ValueError, match="overlap"):
        native.batch_norm_vjp(x, c, c, x, m, m, EPS, 1.0, *out)
