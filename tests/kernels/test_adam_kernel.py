import math

import numpy as np
import pytest
from kernel_checks import (
    assert_bit_equal_for_all_thread_counts,
    lay_out,
    native_or_skip,
    normal,
)

from tinygan import kernels
from tinygan.errors import DtypeError, NoKernelError, OptionError, ShapeError

OPTIONS = {"lr": 0.01, "beta1": 0.5, "beta2": 0.9, "eps": 1e-8}
L2 = {"weight_decay": 0.1, "decoupled": False}
PLAIN = {**OPTIONS, "weight_decay": 0.0, "decoupled": False}


@pytest.fixture(params=["numpy", "cpp"])
def backend(request):
    if request.param == "cpp":
        native_or_skip()
    with kernels.use_backend(request.param):
        yield request.param


def scalar_adam(p, gradients, lr, beta1, beta2, eps, weight_decay, decoupled):
    """Follow one number through the published algorithm, with moments that start at 0."""
    m = v = 0.0
    for t, g in enumerate(gradients, 1):
        if decoupled:
            p = p - lr * weight_decay * p
        else:
            g = g + weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        p = p - lr * m_hat / (math.sqrt(v_hat) + eps)
    return p, m, v


def run(p, gradients, **params):
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gradients, 1):
        assert kernels.call("adam", p, g, m, v, step=t, **params) is None
    return p, m, v


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize(("weight_decay", "decoupled"), [(0.0, False), (0.1, False), (0.1, True)])
@pytest.mark.parametrize("size", [1, 7, 37])
def test_steps_follow_the_published_algorithm(size, weight_decay, decoupled, dtype, rtol):
    p, gradients = normal(0, size, dtype), normal(1, (5, size), dtype)
    params = {**OPTIONS, "weight_decay": weight_decay, "decoupled": decoupled}
    want = [
        scalar_adam(float(p[i]), [float(g) for g in gradients[:, i]], **params) for i in range(size)
    ]
    got = run(p.copy(), list(gradients), **params)
    for a, exact in zip(got, np.array(want).T, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, exact, rtol=rtol, atol=rtol)


@pytest.mark.usefixtures("backend")
def test_the_first_step_is_lr_times_the_sign():
    p, g = np.zeros(3), np.array([5.0, -0.001, 0.0])
    run(p, [g], **PLAIN)
    np.testing.assert_allclose(p, [-0.01, 0.01, 0], rtol=1e-4)


@pytest.mark.usefixtures("backend")
def test_decoupled_decay_leaves_the_moments_alone():
    g = [normal(1, 9, np.float64)]
    _, m, v = run(np.ones(9), g, **{**PLAIN, "weight_decay": 0.5, "decoupled": True})
    _, plain_m, plain_v = run(np.ones(9), g, **PLAIN)
    np.testing.assert_array_equal(m, plain_m)
    np.testing.assert_array_equal(v, plain_v)
    p, _, _ = run(np.ones(9), [np.zeros(9)], **{**PLAIN, "weight_decay": 0.5, "decoupled": True})
    np.testing.assert_allclose(p, 1 - 0.01 * 0.5, rtol=1e-15)


@pytest.mark.usefixtures("backend")
def test_the_gradient_is_not_modified():
    g = normal(1, (4, 5), np.float32)
    kept = g.copy()
    run(normal(0, (4, 5), np.float32), [g], **{**PLAIN, "weight_decay": 0.5})
    np.testing.assert_array_equal(g, kept)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("g_layout", ["c", "channels_last", "reversed", "strided", "broadcast"])
@pytest.mark.parametrize("layout", ["c", "channels_last"])
def test_layouts_of_parameter_and_gradient_may_differ(layout, g_layout):
    p = lay_out(normal(0, (3, 4, 2, 5), np.float64), layout)
    g = lay_out(normal(1, (3, 4, 2, 5), np.float64), g_layout)
    want, _, _ = run(np.array(p, order="C"), [np.array(g, order="C")], **PLAIN)
    same = p[...]
    run(p, [g], **PLAIN)
    np.testing.assert_array_equal(p, want)
    assert np.shares_memory(same, p)


def test_a_parameter_with_gaps_falls_to_the_reference():
    native_or_skip()
    p = lay_out(normal(0, (6, 4), np.float64), "strided")
    want, _, _ = run(np.array(p), [np.ones((6, 4))], **PLAIN)
    zeros = np.zeros_like(p)
    arrays = (p, np.ones((6, 4)), zeros, zeros.copy())
    with kernels.use_backend("cpp"), pytest.raises(NoKernelError, match="without gaps"):
        kernels.call("adam", *arrays, step=1, **PLAIN)
    kernels.call("adam", *arrays, step=1, **PLAIN)
    np.testing.assert_allclose(p, want, rtol=1e-15)


def test_a_gradient_that_is_the_parameter_is_read_before_it_is_written():
    want, _, _ = run(np.ones(5), [np.ones(5)], **PLAIN)
    p = np.ones(5)
    run(p, [p], **PLAIN)
    np.testing.assert_allclose(p, want, rtol=1e-15)


def test_no_parameters_are_no_work():
    run(np.zeros((0, 3), np.float32), [np.zeros((0, 3), np.float32)], **PLAIN)


@pytest.mark.usefixtures("backend")
def test_many_parameters_in_one_call_move_as_each_alone():
    shapes = [(3,), (40, 1000), (), (0, 2), (1,), (7, 5, 3), (17001,)]  # 1, 3 and 2 parts, and less
    dtypes = [np.float32, np.float64, np.float32]
    groups = [
        [np.asarray(abs(normal(10 * i + k, shape, dtypes[i % 3]))) for k in range(4)]
        for i, shape in enumerate(shapes)
    ]
    apart = [[a.copy() for a in group] for group in groups]
    kernels.call("adam", *(a for group in groups for a in group), step=3, **OPTIONS, **L2)
    for group, alone in zip(groups, apart, strict=True):
        kernels.call("adam", *alone, step=3, **OPTIONS, **L2)
        for a, b in zip(group, alone, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("backend")
def test_nan_stays_where_it_is():
    p, _, _ = run(np.zeros(20), [np.where(np.arange(20) == 3, np.nan, 1.0)], **PLAIN)
    assert np.isnan(p).nonzero()[0].tolist() == [3]


@pytest.mark.usefixtures("backend")
def test_misfits_are_named():
    a, b = np.zeros(3), np.zeros(3)
    with pytest.raises(ShapeError, match=r"g must have the shape of p \(3,\)"):
        kernels.call("adam", a, np.zeros(2), b, b.copy(), step=1, **PLAIN)
    with pytest.raises(ShapeError, match="groups of p, g, m, v, got 3"):
        kernels.call("adam", a, b, b.copy(), step=1, **PLAIN)
    with pytest.raises(OptionError, match="counts from 1"):
        kernels.call("adam", a, b, b.copy(), b.copy(), step=0, **PLAIN)


def test_mixed_dtypes_are_refused():
    a = np.zeros(3)
    with pytest.raises(DtypeError, match="must agree"):
        kernels.call("adam", a, a.astype(np.float32), a.copy(), a.copy(), step=1, **PLAIN)


def test_bits_do_not_depend_on_threads():
    def call():
        p, m, v = run(normal(0, 100_003, np.float32), [normal(1, 100_003, np.float32)], **PLAIN)
        return p, m, v

    assert_bit_equal_for_all_thread_counts(call)


def test_binding_refuses_what_would_corrupt_memory():
    native = native_or_skip()
    p, g, m, v = (np.zeros(6, np.float32) for _ in range(4))
    rest = (0.1, 0.5, 0.9, 1e-8, 0.0, False)
    wrong = [(p, g, p, v), (p, p, m, v), (p, g, m, m), (p, g[:5], m, v), (p[::2], g, m, v)]
    wrong += [(p, g.astype("d"), m, v), (p, g, m, v.reshape(2, 3)), (p, g, list(m), v)]
    wrong += [
        (p, g, m),
        (p, g, m, v, p, g, m, v),
        (p[:3], p[3:], m[:3], v[:3], p[2:], *[g[:4]] * 3),
    ]
    for arrays in wrong:
        with pytest.raises((ValueError, TypeError)):
            native.adam(*rest, 1, *arrays)
    with pytest.raises(ValueError, match="counts from 1"):
        native.adam(*rest, 0, p, g, m, v)
    m.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        native.adam(*rest, 1, p, g, m, v)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("decay", [{}, {"decoupled": True, "weight_decay": 0.1}])
def test_a_nan_parameter_stays_out_of_moments_that_no_decay_links_it_to(decay):
    p, m, v = np.array([np.nan, 1.0, 1.0]), np.zeros(3), np.zeros(3)
    kernels.call("adam", p, np.ones(3), m, v, step=1, **{**PLAIN, **decay})
    assert np.isnan(p).tolist() == [True, False, False]
    assert np.isfinite([m, v]).all()
