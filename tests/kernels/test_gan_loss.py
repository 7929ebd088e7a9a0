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
from tinygan.kernels.gan_loss.spec import KINDS

LONG = np.longdouble
TARGETS = {
    "logistic": (0.0, 0.1, 0.9, 1.0),
    "hinge": (-1.0, 1.0),
    "wasserstein": (-1.0, 1.0),
    "least_squares": (0.0, 1.0, 0.9, -1.0),
}
CASES = [(kind, target) for kind in KINDS for target in TARGETS[kind]]


@pytest.fixture(params=["numpy", "cpp"])
def backend(request):
    if request.param == "cpp":
        native_or_skip()
    with kernels.use_backend(request.param):
        yield request.param


def phi(x, kind, target):
    x = x.astype(LONG)
    if kind == "logistic":  # binary cross-entropy of sigmoid(x) with the label
        return np.where(x > 0, x, 0) + np.log1p(np.exp(-np.abs(x))) - target * x
    if kind == "hinge":
        return np.maximum(0, 1 - target * x)
    return -target * x if kind == "wasserstein" else (x - target) ** 2 / 2


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    ("kind", "target", "value", "gradient"),
    [  # logits 0 and 2, by hand
        ("logistic", 1.0, (np.log(2) + np.log1p(np.exp(-2))) / 2, (-0.25, -0.05960146101105877)),
        ("logistic", 0.0, (np.log(2) + 2 + np.log1p(np.exp(-2))) / 2, (0.25, 0.44039853898894116)),
        ("hinge", 1.0, 0.5, (-0.5, 0)),
        ("hinge", -1.0, 2.0, (0.5, 0.5)),
        ("wasserstein", 1.0, -1.0, (-0.5, -0.5)),
        ("wasserstein", -1.0, 1.0, (0.5, 0.5)),
        ("least_squares", 1.0, 0.5, (-0.5, 0.5)),
        ("least_squares", 0.0, 1.0, (0.0, 1.0)),
    ],
)
def test_two_logits_worked_by_hand(kind, target, value, gradient):
    logit = np.array([0.0, 2.0])
    y = kernels.call("gan_loss", logit, kind=kind, target=target)
    (g,) = kernels.call("gan_loss_vjp", logit, np.array(1.0), kind=kind, target=target)
    assert y.shape == ()
    np.testing.assert_allclose(y, value, rtol=1e-15)
    np.testing.assert_allclose(g, gradient, rtol=1e-14)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (1,), (64, 1), (3, 1, 5, 7), (20001,)])
@pytest.mark.parametrize(("kind", "target"), CASES)
def test_value_is_the_mean_of_the_definition(kind, target, shape, dtype):
    logit = np.asarray(4 * normal(0, shape, np.float64), dtype)
    y = call_unmodified("gan_loss", logit, kind=kind, target=target)
    exact = phi(logit, kind, target)
    # each term: the rounding of its parts, at most 4 eps of the larger of l, target and 1
    size = (1 + np.abs(logit) + abs(target)).mean() + exact.mean()
    assert y.dtype == dtype
    assert_within(y, exact.mean(), 4 * np.finfo(dtype).eps * size)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("kind", "target"), CASES)
def test_vjp_agrees_with_finite_differences(kind, target, dtype):
    logit = np.asarray(4 * normal(0, (4, 1, 5, 7), np.float64), dtype)
    gy = np.array(1.5, dtype)
    (g,) = call_unmodified("gan_loss_vjp", logit, gy, kind=kind, target=target)
    h = LONG(1e-6)
    slope = (phi(logit + h, kind, target) - phi(logit - h, kind, target)) / (2 * h)
    scale = LONG(1.5) / logit.size
    size = 1 + np.abs(logit) * (kind == "least_squares") + abs(target)
    assert g.dtype == dtype
    assert_within(g, slope * scale, (6 * np.finfo(dtype).eps * size + 1e-11) * scale)


@pytest.mark.usefixtures("backend")
def test_confident_logits_keep_their_small_gradient():
    # sigmoid(l) - 1 is 0 in float32 from l = 17 on; the gradient is -exp(-l).
    logit = np.array([20.0, 40.0], np.float32)
    (g,) = kernels.call("gan_loss_vjp", logit, np.float32(1)[...], kind="logistic", target=1.0)
    np.testing.assert_allclose(g, -np.exp(-np.array([20.0, 40.0])) / 2, rtol=1e-6)
    y = kernels.call("gan_loss", logit, kind="logistic", target=1.0)
    np.testing.assert_allclose(y, np.exp(-20.0) / 2, rtol=1e-6)


@pytest.mark.usefixtures("backend")
def test_extreme_logits_stay_finite():
    logit = np.array([-1e30, 1e30], np.float32)
    y = kernels.call("gan_loss", logit, kind="logistic", target=0.0)
    np.testing.assert_allclose(y, 0.5e30, rtol=1e-6)
    (g,) = kernels.call("gan_loss_vjp", logit, np.float32(2)[...], kind="logistic", target=0.0)
    np.testing.assert_array_equal(g, [0, 1])


@pytest.mark.usefixtures("backend")
def test_hinge_has_no_gradient_at_its_kink():
    logit = np.array([1.0, -1.0])
    (g,) = kernels.call("gan_loss_vjp", logit, np.array(2.0), kind="hinge", target=1.0)
    np.testing.assert_array_equal(g, [0, -1])


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("kind", KINDS)
def test_nan_propagates(kind):
    logit = np.array([0.5, np.nan, 1.0], np.float32)
    assert np.isnan(kernels.call("gan_loss", logit, kind=kind, target=1.0))


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_right(layout):
    logit = lay_out(normal(0, (3, 2, 4, 5), np.float64), layout)
    y = call_unmodified("gan_loss", logit, kind="least_squares", target=1.0)
    np.testing.assert_allclose(y, ((logit - 1) ** 2).mean() / 2, rtol=1e-14)
    params = {"kind": "least_squares", "target": 1.0}
    (g,) = call_unmodified("gan_loss_vjp", logit, np.array(1.0), **params)
    np.testing.assert_allclose(g, (logit - 1) / logit.size, rtol=1e-14)


def test_misfits_are_named():
    logit = np.ones((2, 1), np.float32)
    with pytest.raises(OptionError, match="no kind 'bce'"):
        kernels.call("gan_loss", logit, kind="bce", target=1.0)
    with pytest.raises(ShapeError, match="no element to average"):
        kernels.call("gan_loss", logit[:0], kind="hinge", target=1.0)
    with pytest.raises(ShapeError, match=r"gy must have the shape \(\), got \(2, 1\)"):
        kernels.call("gan_loss_vjp", logit, logit, kind="hinge", target=1.0)
    with pytest.raises(DtypeError, match="gy must be float32, got float64"):
        kernels.call("gan_loss_vjp", logit, np.array(1.0), kind="hinge", target=1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_bits_do_not_depend_on_threads(kind):
    logit, gy = normal(0, 100_000, np.float32), np.float32(1)[...]
    assert_bit_equal_for_all_thread_counts(
        lambda: kernels.call("gan_loss", logit, kind=kind, target=1.0)
    )
    assert_bit_equal_for_all_thread_counts(
        lambda: kernels.call("gan_loss_vjp", logit, gy, kind=kind, target=1.0)
    )


def test_binding_refuses_what_would_corrupt_memory():
    native = native_or_skip()
    logit, y = np.ones(4, np.float32), np.empty((), np.float32)
    wrong = [(logit, 7, 1.0, y), (logit, -1, 1.0, y), (logit, 0, 1.0, logit[:1])]
    wrong += [(logit, 0, 1.0, logit[0:1].reshape(())), (logit, 0, 1.0, np.empty(()))]
    wrong += [(logit[::2], 0, 1.0, y), (logit[:0], 0, 1.0, y), ([1.0], 0, 1.0, y)]
    for arguments in wrong:
        with pytest.raises((ValueError, TypeError)):
            native.gan_loss(*arguments)
    for arguments in [(logit, y, 0, 1.0, logit), (logit, logit, 0, 1.0, logit.copy())]:
        with pytest.raises(ValueError, match=r"overlap|shape"):
            native.gan_loss_vjp(*arguments)
