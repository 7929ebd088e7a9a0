"""Each loss and its gradient against a case of two samples worked by hand."""

import math

import numpy as np
import pytest

from tinygan import Tensor, grad, ops
from tinygan.errors import DtypeError, OptionError, ShapeError

REAL, FAKE = np.array([[0.5], [-1.0]]), np.array([[2.0], [-0.25]])


def sp(v):
    return math.log1p(math.exp(v))


def sg(v):
    return 1 / (1 + math.exp(-v))


# name: (loss, d/dreal, d/dfake), by hand for the samples above
D_LOSSES = {
    "logistic_d_loss": (
        (sp(-0.5) + sp(1.0) + sp(2.0) + sp(-0.25)) / 2,
        [-sg(-0.5) / 2, -sg(1.0) / 2],
        [sg(2.0) / 2, sg(-0.25) / 2],
    ),
    "hinge_d_loss": (
        (0.5 + 2.0 + 3.0 + 0.75) / 2,
        [-0.5, -0.5],
        [0.5, 0.5],
    ),
    "wasserstein_d_loss": ((2.0 - 0.25 - 0.5 + 1.0) / 2, [-0.5, -0.5], [0.5, 0.5]),
    "least_squares_d_loss": (
        (0.25 + 4.0 + 4.0 + 0.0625) / 4,
        [-0.25, -1.0],
        [1.0, -0.125],
    ),
}
G_LOSSES = {
    "nonsaturating_g_loss": ((sp(-2.0) + sp(0.25)) / 2, [-sg(-2.0) / 2, -sg(0.25) / 2]),
    "saturating_g_loss": (-(sp(2.0) + sp(-0.25)) / 2, [-sg(2.0) / 2, -sg(-0.25) / 2]),
    "hinge_g_loss": (-0.875, [-0.5, -0.5]),
    "wasserstein_g_loss": (-0.875, [-0.5, -0.5]),
    "least_squares_g_loss": ((1.0 + 1.5625) / 4, [0.5, -0.625]),
}


@pytest.mark.parametrize("name", D_LOSSES)
def test_d_losses_by_hand(name):
    real, fake = Tensor(REAL, requires_grad=True), Tensor(FAKE, requires_grad=True)
    loss = getattr(ops, name)(real, fake)
    value, d_real, d_fake = D_LOSSES[name]
    assert float(loss) == pytest.approx(value, rel=1e-14)
    g_real, g_fake = grad(loss, (real, fake))
    np.testing.assert_allclose(g_real.data.ravel(), d_real, rtol=1e-13)
    np.testing.assert_allclose(g_fake.data.ravel(), d_fake, rtol=1e-13)


@pytest.mark.parametrize("name", G_LOSSES)
def test_g_losses_by_hand(name):
    fake = Tensor(FAKE, requires_grad=True)
    loss = getattr(ops, name)(fake)
    value, d_fake = G_LOSSES[name]
    assert float(loss) == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(grad(loss, fake).data.ravel(), d_fake, rtol=1e-13)


def test_one_sided_smoothing_moves_reals_alone():
    expected = (sp(0.5) - 0.9 * 0.5 + sp(-1.0) + 0.9 + sp(2.0) + sp(-0.25)) / 2
    assert float(ops.logistic_d_loss(REAL, FAKE, smooth=0.1)) == pytest.approx(expected, rel=1e-14)
    squares = ((0.5 - 0.9) ** 2 + (-1 - 0.9) ** 2 + 4 + 0.0625) / 4
    got = float(ops.least_squares_d_loss(REAL, FAKE, smooth=0.1))
    assert got == pytest.approx(squares, rel=1e-14)


def test_the_saturating_loss_has_no_slope_where_d_wins_and_the_other_has():
    fake = Tensor(np.array([-30.0]), requires_grad=True)
    assert abs(float(grad(ops.saturating_g_loss(fake), fake))) < 1e-12
    assert float(grad(ops.nonsaturating_g_loss(fake), fake)) == pytest.approx(-1.0)


@pytest.mark.parametrize("kind", ["logistic", "least_squares"])
def test_losses_stay_finite_on_extreme_logits(kind):
    logit = Tensor(np.array([-3e4, 3e4], np.float32), requires_grad=True)
    loss = ops.gan_loss(logit, kind=kind, target=1.0)
    assert np.isfinite(loss.data)
    assert np.isfinite(grad(loss, logit).data).all()


def test_the_optimal_discriminator_is_p_over_p_plus_q():
    # minimise the logistic loss over D on three points with masses p and q (arXiv:1406.2661)
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6])
    logit = np.zeros(3)
    for _ in range(4000):
        t = Tensor(logit, requires_grad=True)
        loss = (ops.softplus(-t) * p + ops.softplus(t) * q).sum()
        logit = logit - 1.0 * grad(loss, t).data
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), p / (p + q), atol=1e-9)


def test_options_that_do_not_fit_are_named():
    with pytest.raises(OptionError, match="no kind 'bce'"):
        ops.gan_loss(REAL, kind="bce", target=1.0)
    with pytest.raises(OptionError, match="probability, got 2"):
        ops.gan_loss(REAL, kind="logistic", target=2)
    with pytest.raises(OptionError, match="1 or -1, got 0"):
        ops.gan_loss(REAL, kind="hinge", target=0)
    with pytest.raises(ShapeError, match="no entry"):
        ops.gan_loss(np.zeros((0, 1)), kind="hinge", target=1)


def test_cross_entropy_by_hand():
    logits = Tensor(np.array([[0.0, math.log(3.0)], [math.log(2.0), 0.0]]), requires_grad=True)
    loss = ops.cross_entropy(logits, np.array([1, 1]))
    assert float(loss) == pytest.approx(-(math.log(0.75) + math.log(1 / 3)) / 2)
    np.testing.assert_allclose(
        grad(loss, logits).data, [[0.125, -0.125], [1 / 3, -1 / 3]], rtol=1e-13
    )


def test_cross_entropy_refuses_floats_for_labels():
    with pytest.raises(DtypeError, match="labels are integers"):
        ops.cross_entropy(np.zeros((2, 3)), np.zeros(2))
