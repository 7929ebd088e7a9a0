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
from tinygan.errors import DtypeError, OptionError, ShapeError
from tinygan.kernels.bias_act.spec import ACTS

LONG = np.longdouble
DTYPES = (np.float32, np.float64)
PLAIN = {"alpha": 0.3, "gain": 1.0, "clamp": None}


def exact_act(t, a, act):
    """Apply the textbook definition in extended precision."""
    t = t.astype(LONG)
    with np.errstate(over="ignore"):
        values = {
            "linear": lambda: t,
            "relu": lambda: np.maximum(t, 0),
            "leaky_relu": lambda: np.where(t > 0, t, a * t),
            "prelu": lambda: np.where(t > 0, t, a * t),
            "elu": lambda: np.where(t > 0, t, a * np.expm1(np.minimum(t, 0))),
            "tanh": lambda: np.tanh(t),
            "sigmoid": lambda: 1 / (1 + np.exp(-t)),
            "softplus": lambda: np.where(t > 40, t, np.log1p(np.exp(np.minimum(t, 40)))),
            "swish": lambda: t / (1 + np.exp(-t)),
        }
        return values[act]()


def exact_derivative(t, a, act):
    """Give the central difference of the definition; exact on a straight line."""
    t, h = t.astype(LONG), LONG(1e-6)
    return (exact_act(t + h, a, act) - exact_act(t - h, a, act)) / (2 * h)


def along(a, x):
    axis = min(1, x.ndim - 1)
    return a.reshape([-1 if i == axis else 1 for i in range(x.ndim)])


def operands(shape, dtype, act, seed=0):
    x, gy = 3 * normal(seed, shape, dtype), normal(seed + 1, shape, dtype)
    channels = shape[min(1, len(shape) - 1)]
    b = normal(seed + 2, channels, dtype)
    slope = normal(seed + 3, channels, dtype) if act == "prelu" else None
    return x, b, slope, gy


SHAPES = ((7,), (5, 3), (33, 20), (2, 3, 4, 5), (3, 16, 2, 2), (2, 1, 3, 3), (2, 3, 4))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("act", ACTS)
def test_value_is_within_four_ulp_over_the_whole_domain(backend, act, dtype):
    magnitudes = np.logspace(-6, np.log10(700), 3000)
    near = np.linspace(-20, 20, 4001)
    x = np.concatenate([-magnitudes[::-1], [0.0], magnitudes, near]).astype(dtype)
    params = {**PLAIN, "act": act}
    slope = np.full(1, PLAIN["alpha"], dtype) if act == "prelu" else None
    with kernels.use_backend(backend), np.errstate(under="ignore"):
        y = kernels.call("bias_act", x, None, slope, **params)
    exact = exact_act(x, LONG(dtype(PLAIN["alpha"])), act)
    info = np.finfo(dtype)
    tiny = float(info.tiny) * abs(x).max() if act in ("sigmoid", "swish") else float(info.tiny)
    assert y.dtype == dtype
    assert_within(y, exact, 4 * info.eps * np.abs(exact) + tiny * info.eps * 4 + tiny)


@pytest.mark.parametrize(
    ("act", "ulp"), [("elu", 1), ("tanh", 1.5), ("softplus", 2), ("sigmoid", 2.5), ("swish", 3.5)]
)
def test_cpp_polynomials_are_as_accurate_as_their_page_says(act, ulp):
    native_or_skip()
    magnitudes = np.logspace(-6, np.log10(80), 100_000)
    x = np.concatenate([np.linspace(-80, 80, 400_001), -magnitudes, magnitudes]).astype(np.float32)
    with kernels.use_backend("cpp"):
        y = kernels.call("bias_act", x, act=act, alpha=1.0, gain=1.0, clamp=None)
    exact = exact_act(x, 1, act)
    assert_within(y, exact, ulp * np.spacing(np.abs(exact).astype(np.float32)) + 1e-37)


@pytest.mark.parametrize("clamp", [None, 0.5])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("act", ACTS)
def test_forward_is_the_definition(backend, act, shape, clamp):
    x, b, slope, _ = operands(shape, np.float32, act)
    with kernels.use_backend(backend):
        y = call_unmodified("bias_act", x, b, slope, act=act, alpha=0.3, gain=1.5, clamp=clamp)
    t, a = x + along(b, x), np.float32(0.3) if slope is None else along(slope, x)
    exact = exact_act(t, a.astype(LONG), act) * 1.5
    exact = exact if clamp is None else np.clip(exact, -clamp, clamp)
    assert_within(y, exact, 5 * np.finfo(np.float32).eps * np.abs(exact) + 1e-37)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("clamp", [None, 0.5])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("act", ACTS)
def test_vjp_agrees_with_finite_differences(backend, act, shape, clamp, dtype):
    x, b, slope, gy = operands(shape, dtype, act)
    given = (x, b) if slope is None else (x, b, slope)
    with kernels.use_backend(backend):
        got = call_unmodified("bias_act_vjp", *given, gy, act=act, alpha=0.3, gain=1.5, clamp=clamp)
    t = x + along(b, x)
    a = LONG(dtype(0.3)) if slope is None else along(slope, x).astype(LONG)
    g = gy.astype(LONG) * 1.5
    if clamp is not None:
        g = np.where(np.abs(exact_act(t, a, act) * 1.5) <= clamp, g, 0)
    gx, eps = g * exact_derivative(t, a, act), np.finfo(dtype).eps
    assert len(got) == len(given)
    assert [c.shape for c in got] == [c.shape for c in given]
    # the difference itself is good to 1e-12 in extended precision
    assert_within(got[0], gx, 8 * eps * np.abs(g) * (1 + np.abs(t)) + 1e-11 * np.abs(g))
    axes = tuple(i for i in range(x.ndim) if i != min(1, x.ndim - 1))
    gb = got[0].astype(LONG).sum(axis=axes)
    assert_within(got[1], gb, 2 * eps * np.abs(gb) + x.size * 1e-15)
    if slope is not None:
        gslope = (g * np.minimum(t, 0)).sum(axis=axes)
        assert_within(got[2], gslope, 4 * eps * (np.abs(g * t)).sum(axis=axes))


def test_derivatives_at_the_kinks_are_those_of_pytorch(backend):
    zero, one = np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32)
    slope = np.array([0.25, -2], np.float32)
    with kernels.use_backend(backend):

        def gx(*given, act, x=zero, clamp=None):
            params = {"act": act, "alpha": 0.5, "gain": 1.0, "clamp": clamp}
            return kernels.call("bias_act_vjp", x, *given, one, **params)[0].tolist()

        assert gx(act="relu") == [[0, 0]]
        assert gx(act="leaky_relu") == [[0.5, 0.5]]
        assert gx(act="elu") == [[0.5, 0.5]]
        assert gx(None, slope, act="prelu") == [[0.25, -2]]
        ends = np.array([[-3, 3]], np.float32)
        assert gx(act="linear", x=ends, clamp=3.0) == [[1, 1]]  # on the end of the range
        assert gx(act="linear", x=2 * ends, clamp=3.0) == [[0, 0]]


def test_softplus_and_its_kin_do_not_overflow(backend):
    x = np.array([-1e30, -200.0, -100.0, 100.0, 200.0, 1e30], np.float32)
    with kernels.use_backend(backend), np.errstate(under="ignore"):
        softplus = kernels.call("bias_act", x, act="softplus", **PLAIN)
        sigmoid = kernels.call("bias_act", x, act="sigmoid", **PLAIN)
        (g,) = kernels.call("bias_act_vjp", x, np.ones_like(x), act="softplus", **PLAIN)
    np.testing.assert_array_equal(softplus[[0, 1, 3, 4, 5]], [0, 0, 100, 200, np.float32(1e30)])
    np.testing.assert_allclose(softplus[2], np.exp(-100.0), rtol=0.05)  # a subnormal number
    np.testing.assert_array_equal(sigmoid[[0, 1, 3, 4, 5]], [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(g[[0, 1, 3, 4, 5]], [0, 0, 1, 1, 1])


@pytest.mark.parametrize("act", ACTS)
def test_nan_propagates_and_stays_where_it_is(backend, act):
    x, b, slope, _ = operands((6, 5), np.float32, act)
    x[2, 3] = np.nan
    params = {"act": act, "alpha": 0.3, "gain": 2.0, "clamp": 1.0}
    with kernels.use_backend(backend):
        y = kernels.call("bias_act", x, b, slope, **params)
    assert np.isnan(y[2, 3])
    assert np.isnan(y).sum() == 1


@pytest.mark.parametrize("act", ["elu", "tanh", "sigmoid", "softplus", "swish"])
def test_nan_reaches_the_gradient_of_smooth_activations(backend, act):
    x = np.array([[0.5, np.nan, -0.5]], np.float32)
    with kernels.use_backend(backend):
        (gx,) = kernels.call("bias_act_vjp", x, np.ones_like(x), act=act, **PLAIN)
    assert np.isnan(gx).tolist() == [[False, True, False]]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("act", ["leaky_relu", "prelu", "tanh"])
def test_every_layout_is_read_right(backend, layout, act):
    x, b, slope, gy = operands((4, 5, 3, 2), np.float32, act)
    x, gy, b = lay_out(x, layout), lay_out(gy, layout), lay_out(b, layout)
    slope = None if slope is None else lay_out(slope, layout)
    t, a = x + along(b, x), LONG(np.float32(0.3)) if slope is None else along(slope, x)
    with kernels.use_backend(backend):
        y = call_unmodified("bias_act", x, b, slope, act=act, **PLAIN)
        plain = call_unmodified("bias_act", x, None, slope, act=act, **PLAIN)
        given = (x, b) if slope is None else (x, b, slope)
        gx, *_ = call_unmodified("bias_act_vjp", *given, gy, act=act, **PLAIN)
        (lone,) = kernels.call("bias_act_vjp", x, gy, act="tanh", **PLAIN)
    np.testing.assert_allclose(y.astype(LONG), exact_act(t, a, act), rtol=5e-7)
    np.testing.assert_allclose(plain.astype(LONG), exact_act(x, a, act), rtol=5e-7)
    np.testing.assert_allclose(gx.astype(LONG), gy * exact_derivative(t, a, act), atol=3e-6)
    np.testing.assert_allclose(lone, gy * exact_derivative(x, a, "tanh"), atol=3e-6)


def test_channels_last_stays_channels_last(backend):
    x, b, _, gy = (lay_out(a, "channels_last") for a in operands((2, 3, 4, 5), np.float32, "prelu"))
    with kernels.use_backend(backend):
        for given in ((x,), (x, b)):
            assert kernels.call("bias_act", *given, act="relu", **PLAIN).strides == x.strides
            gx = kernels.call("bias_act_vjp", *given, gy, act="relu", **PLAIN)[0]
            assert gx.strides == x.strides


def test_one_slope_may_serve_all_channels(backend):
    x, b, _, gy = operands((4, 6, 2, 2), np.float32, "linear")
    shared, full = np.array([0.3], np.float32), np.full(6, 0.3, np.float32)
    with kernels.use_backend(backend):
        one = kernels.call("bias_act_vjp", x, b, shared, gy, act="prelu", **PLAIN)
        many = kernels.call("bias_act_vjp", x, b, full, gy, act="prelu", **PLAIN)
        y = kernels.call("bias_act", x, b, shared, act="prelu", **PLAIN)
        np.testing.assert_array_equal(y, kernels.call("bias_act", x, b, full, act="prelu", **PLAIN))
    assert one[2].shape == (1,)
    np.testing.assert_allclose(one[2], [many[2].sum()], rtol=1e-5)


def test_an_absent_bias_has_no_cotangent(backend):
    x, _, slope, gy = operands((4, 6), np.float32, "prelu")
    with kernels.use_backend(backend):
        gx, gb, gslope = kernels.call("bias_act_vjp", x, None, slope, gy, act="prelu", **PLAIN)
    assert gb is None
    assert gx.shape == x.shape
    assert gslope.shape == slope.shape


def test_a_scalar_is_activated(backend):
    x = np.array(-2.0, np.float32)
    with kernels.use_backend(backend):
        y = kernels.call("bias_act", x, act="leaky_relu", **PLAIN)
        (gx,) = kernels.call("bias_act_vjp", x, np.ones_like(x), act="leaky_relu", **PLAIN)
    assert y.shape == gx.shape == ()
    np.testing.assert_allclose([y, gx], [-0.6, 0.3], rtol=1e-7)


def test_no_elements_give_an_empty_array():
    x, b = np.zeros((0, 3), np.float32), np.ones(3, np.float32)
    assert kernels.call("bias_act", x, b, act="tanh", **PLAIN).shape == (0, 3)
    gx, gb = kernels.call("bias_act_vjp", x, b, x, act="tanh", **PLAIN)
    assert gx.shape == (0, 3)
    np.testing.assert_array_equal(gb, 0)


def test_misfits_are_named(backend):
    x, b, slope, gy = operands((4, 3), np.float32, "prelu")
    with kernels.use_backend(backend):
        with pytest.raises(ShapeError, match=r"b must be \(3,\)"):
            kernels.call("bias_act", x, b[:1], act="relu", **PLAIN)
        with pytest.raises(ShapeError, match="slope belongs to prelu"):
            kernels.call("bias_act", x, b, slope, act="relu", **PLAIN)
        with pytest.raises(ShapeError, match="slope belongs to prelu"):
            kernels.call("bias_act", x, b, act="prelu", **PLAIN)
        with pytest.raises(OptionError, match="no activation 'selu'"):
            kernels.call("bias_act", x, b, act="selu", **PLAIN)
        with pytest.raises(ShapeError, match="gy must have the shape"):
            kernels.call("bias_act_vjp", x, b, gy.T, act="relu", **PLAIN)
    with kernels.use_backend("numpy"), pytest.raises(DtypeError, match="must agree"):
        kernels.call("bias_act", x, b.astype(np.float64), act="relu", **PLAIN)


@pytest.mark.parametrize("shape", [(64, 48, 16, 16), (70000, 3), (70, 1000)])
def test_bits_do_not_depend_on_threads(shape):
    x, b, slope, gy = operands(shape, np.float32, "prelu")
    for given, act in (((x, b), "softplus"), ((x, b, slope), "prelu"), ((x,), "tanh")):
        assert_bit_equal_for_all_thread_counts(
            lambda given=given, act=act: kernels.call("bias_act", *given, act=act, **PLAIN)
        )
        assert_bit_equal_for_all_thread_counts(
            lambda given=given, act=act: kernels.call("bias_act_vjp", *given, gy, act=act, **PLAIN)
        )


def test_binding_refuses_what_would_corrupt_memory():
    native = native_or_skip()
    x, y, c = np.zeros((4, 3), np.float32), np.zeros((4, 3), np.float32), np.ones(3, np.float32)
    rest = (1, 0.0, 1.0, None)
    wrong = [
        (x.astype(np.int64), None, None, *rest, y),
        (x, c[:2], None, *rest, y),
        (x, c.astype(np.float64), None, *rest, y),
        (x, None, None, 99, 0.0, 1.0, None, y),
        (x, None, None, -1, 0.0, 1.0, None, y),
        (x, None, None, *rest, x),
        (x, None, None, *rest, y[:2]),
        (x, None, None, *rest, y[:, ::-1]),
        (x, [1, 2, 3], None, *rest, y),
        (x.ravel(), None, None, *rest, y.ravel()),
        (x, c, None, 1, 0.0, 1.0, "wide", y),
    ]
    for arguments in wrong:
        with pytest.raises((ValueError, TypeError, RuntimeError)):
            native.bias_act(*arguments)
    with pytest.raises(ValueError, match="overlap"):
        native.bias_act_vjp(x, c, None, x, *rest, y, c, None)
    with pytest.raises(ValueError, match="prelu"):
        native.bias_act_vjp(x, c, c, x, *rest, y, c.copy(), c.copy())


def test_a_nan_cotangent_reaches_the_slope_of_prelu_from_either_side(backend):
    x, gy = np.array([[2.0], [-1.0]]), np.array([[np.nan], [1.0]])
    for signed in (x, -x):
        with kernels.use_backend(backend):
            gx, gb, gslope = kernels.call(
                "bias_act_vjp", signed, np.zeros(1), np.ones(1), gy, act="prelu"
            )
        assert np.isnan(gx).tolist() == [[True], [False]]
        assert np.isnan([gb, gslope]).all()
