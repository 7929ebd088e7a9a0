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

from tinygan import kernels, ops
from tinygan.errors import DtypeError, OptionError, ShapeError

LONG = np.longdouble
BACKENDS = ("numpy", "cpp")
SHAPES = ((1, 1), (5, 7), (3, 2, 4, 4), (64, 33), (130, 520), (16, 1, 1, 1))


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param == "cpp":
        native_or_skip()
    with kernels.use_backend(request.param):
        yield request.param


def problem(shape, dtype=np.float64):
    w, gy = normal(0, shape, dtype), normal(1, shape, dtype)
    u, v = normal(2, shape[0], dtype), normal(3, w.size // shape[0], dtype)
    u += dtype(3) * dtype(np.sign(u[0]))  # away from sigma = 0
    return w, u, v, gy


def exact(w, u, v):
    matrix = w.astype(LONG).reshape(len(w), -1)
    return w / (u.astype(LONG) @ matrix @ v)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_weight_is_divided_by_the_bilinear_form(shape, dtype):
    w, u, v, _ = problem(shape, dtype)
    y = call_unmodified("spectral_norm", w, u, v)
    terms = np.abs(u).astype(LONG) @ np.abs(w).reshape(len(w), -1) @ np.abs(v)
    sigma = np.abs(u.astype(LONG) @ w.reshape(len(w), -1) @ v)
    condition = w.size * terms / sigma  # of a sum of w.size products in the input dtype
    want = exact(w, u, v)
    assert y.dtype == dtype
    assert_within(y, want, np.finfo(dtype).eps * (2 + condition) * np.abs(want))


@pytest.mark.parametrize("shape", [(20, 8, 4, 4), (33, 7)])
def test_cpp_accumulates_in_float64(shape):
    native_or_skip()
    w, u, v, _ = problem(shape, np.float32)
    with kernels.use_backend("cpp"):
        y = kernels.call("spectral_norm", w, u, v)
    want = exact(w, u, v)
    assert_within(y, want, 1.01 * np.finfo(np.float32).eps * np.abs(want))


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("shape", SHAPES)
def test_vjp_agrees_with_finite_differences(shape):
    w, u, v, gy = problem(shape)
    got = call_unmodified("spectral_norm_vjp", w, u, v, gy)
    h = LONG(1e-6)
    operands = [a.astype(LONG) for a in (w, u, v)]
    for i, a in enumerate(operands):
        for seed in range(4):  # four random directions an operand
            direction = normal(10 + seed, a.shape, np.float64)
            plus, minus = [*operands], [*operands]
            plus[i], minus[i] = a + h * direction, a - h * direction
            slope = (gy * (exact(*plus) - exact(*minus))).sum() / (2 * h)
            scale = np.abs(got[i] * direction).sum() + np.abs(gy * exact(w, u, v)).sum()
            assert abs((got[i] * direction).sum() - slope) <= 1e-9 * scale


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("shape", [(12, 30), (40, 9), (8, 3, 4, 4)])
def test_power_iteration_finds_the_first_singular_pair(shape):
    w, u, _, _ = problem(shape)
    u, v = call_unmodified("power_iteration", w, u, steps=500, eps=1e-12)
    left, values, right = np.linalg.svd(w.reshape(len(w), -1))
    sign = np.sign(left[0, 0] * u[0])
    np.testing.assert_allclose(u, sign * left[:, 0], atol=1e-6)
    np.testing.assert_allclose(v, sign * right[0], atol=1e-6)
    y = kernels.call("spectral_norm", w, u, v)
    np.testing.assert_allclose(np.linalg.norm(y.reshape(len(w), -1), 2), 1, rtol=1e-10)
    np.testing.assert_allclose(y, w / values[0], rtol=1e-10)


@pytest.mark.usefixtures("backend")
def test_one_step_worked_by_hand():
    w = np.array([[3.0, 0.0], [4.0, 0.0]])
    u, v = kernels.call("power_iteration", w, np.array([1.0, 0.0]), steps=1, eps=1e-12)
    np.testing.assert_allclose(v, [1, 0])
    np.testing.assert_allclose(u, [0.6, 0.8])
    y = kernels.call("spectral_norm", w, u, v)
    np.testing.assert_allclose(y, w / 5)


@pytest.mark.usefixtures("backend")
def test_a_zero_weight_does_not_divide_by_zero():
    w, u = np.zeros((3, 4), np.float32), np.ones(3, np.float32)
    new_u, v = kernels.call("power_iteration", w, u, steps=2, eps=1e-12)
    np.testing.assert_array_equal(new_u, 0)
    np.testing.assert_array_equal(v, 0)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_right(layout):
    w, u, v, gy = (lay_out(a, layout) for a in problem((4, 5, 3, 2)))
    y = call_unmodified("spectral_norm", w, u, v)
    np.testing.assert_allclose(y, exact(w, u, v).astype(float), rtol=1e-9)
    got = call_unmodified("spectral_norm_vjp", w, u, v, gy)
    plain = [np.ascontiguousarray(a) for a in (w, u, v, gy)]
    with kernels.use_backend("numpy"):
        for a, want in zip(got, kernels.call("spectral_norm_vjp", *plain), strict=True):
            np.testing.assert_allclose(a, want, rtol=1e-8)
    u2, _ = call_unmodified("power_iteration", w, u, steps=2, eps=1e-12)
    matrix = plain[0].reshape(4, -1)
    want = plain[1] @ np.linalg.matrix_power(matrix @ matrix.T, 2)
    np.testing.assert_allclose(u2, want / np.linalg.norm(want), rtol=1e-9)


@pytest.mark.usefixtures("backend")
def test_nan_propagates():
    w, u, v, _ = problem((4, 5))
    w[1, 2] = np.nan
    assert np.isnan(kernels.call("spectral_norm", w, u, v)).all()
    assert np.isnan(kernels.call("power_iteration", w, u, steps=1, eps=1e-12)[0]).all()


@pytest.mark.usefixtures("backend")
def test_misfits_are_named():
    w, u, v, gy = problem((4, 5))
    with pytest.raises(ShapeError, match=r"v must be \(5,\)"):
        kernels.call("spectral_norm", w, u, u)
    with pytest.raises(ShapeError, match=r"gy must have the shape \(4, 5\), got \(5, 4\)"):
        kernels.call("spectral_norm_vjp", w, u, v, gy.T)
    for steps in (0, 2**31):
        with pytest.raises(OptionError, match=f"steps must be 1 to 1000000, got {steps}"):
            kernels.call("power_iteration", w, u, steps=steps, eps=1e-12)


def test_empty_weights_and_mixed_dtypes_are_refused():
    w, u, v, _ = problem((4, 5))
    with pytest.raises(ShapeError, match="at least one element"):
        kernels.call("spectral_norm", w[:, :0], u, v[:0])
    with pytest.raises(DtypeError, match="must agree"):
        kernels.call("spectral_norm", w, u.astype(np.float32), v)


def test_bits_do_not_depend_on_threads():
    w, u, v, gy = problem((512, 700), np.float32)
    assert_bit_equal_for_all_thread_counts(lambda: kernels.call("spectral_norm", w, u, v))
    assert_bit_equal_for_all_thread_counts(lambda: kernels.call("spectral_norm_vjp", w, u, v, gy))
    assert_bit_equal_for_all_thread_counts(
        lambda: kernels.call("power_iteration", w, u, steps=3, eps=1e-12)
    )


def test_binding_refuses_what_would_corrupt_memory():
    native = native_or_skip()
    w, u, v, y = np.ones((4, 5)), np.ones(4), np.ones(5), np.ones((4, 5))
    wrong = [(w, v, u, y), (w, u, v, w), (w, u, v, y.T), (w[:, ::2], u, v[:3], y[:, :3])]
    wrong += [(w.astype("f"), u, v, y), (w[0], u, v, y), (w[:0], u[:0], v, y[:0]), ([w], u, v, y)]
    for arguments in wrong:
        with pytest.raises((ValueError, TypeError)):
            native.spectral_norm(*arguments)
    for arguments in [(w, 0, 1e-12, u, v), (w, 1, 1e-12, v, u), (w, 1, 1e-12, w[:, 0], v),
                      (w, 2**63 - 1, 1e-12, u, v)]:  # fmt: skip
        with pytest.raises(ValueError, match=r"steps|shape|order|overlap"):
            native.power_iteration(*arguments)


def test_a_weight_without_axes_is_refused():
    with pytest.raises(ShapeError, match=r"do not fit w \(\)"):
        ops.spectral_norm(np.ones(()), np.ones(1), np.ones(1))
