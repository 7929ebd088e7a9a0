"""Each loss, its gradient and its curvature against two samples worked by hand, on every backend.

The logits are logarithms, so that sigmoids are fractions and softplus gives logarithms of them:

    l              -log 3     0        log 2     log 3
    sigmoid(l)      1/4       1/2      2/3       3/4
    softplus(l)     log 4/3   log 2    log 3     log 4
    softplus(-l)    log 4     log 2    log 3/2   log 4/3

and with phi(l) = softplus(l) - t l: phi' = sigmoid(l) - t, phi'' = sigmoid(l) (1 - sigmoid(l)).
The other losses are polynomials or have kinks: fractions do. Every loss is a mean of two, so each
sample's derivative carries a factor 1/2.
"""

from fractions import Fraction as F
from math import log
from pathlib import Path

import numpy as np
import pytest

from tinygan import kernels, ops
from tinygan.autograd import Tensor, grad

LOGS = {"real": [0.0, log(3)], "fake": [-log(3), log(2)]}
FRACTIONS = {"real": [0.5, 2.0], "fake": [-2.0, 0.25]}


def logistic(**kwargs):
    return lambda real, fake: ops.logistic_d_loss(real, fake, **kwargs)


def least_squares(**kwargs):
    return lambda real, fake: ops.least_squares_d_loss(real, fake, **kwargs)


# name: (loss, samples, value, d/dreal, d/dfake, d2/dreal2, d2/dfake2); 0 where it does not look
BY_HAND = {
    "logistic d": (
        ops.logistic_d_loss,
        LOGS,
        (log(2) + log(4 / 3) + log(4 / 3) + log(3)) / 2,
        [-1 / 4, -1 / 8],
        [1 / 8, 1 / 3],
        [1 / 8, 3 / 32],
        [3 / 32, 1 / 9],
    ),
    "logistic d, reals aim at 3/4": (
        logistic(smooth=0.25),
        LOGS,  # the second real is where it aims: no slope
        (log(2) + log(4) - 3 / 4 * log(3) + log(4 / 3) + log(3)) / 2,
        [-1 / 8, 0],
        [1 / 8, 1 / 3],
        [1 / 8, 3 / 32],
        [3 / 32, 1 / 9],
    ),
    "saturating g": (
        lambda real, fake: ops.saturating_g_loss(fake),
        LOGS,
        -log(2),  # -(log 4/3 + log 3) / 2
        [0, 0],
        [-1 / 8, -1 / 3],
        [0, 0],
        [-3 / 32, -1 / 9],
    ),
    "non-saturating g": (
        lambda real, fake: ops.nonsaturating_g_loss(fake),
        LOGS,
        log(6) / 2,  # (log 4 + log 3/2) / 2
        [0, 0],
        [-3 / 8, -1 / 6],
        [0, 0],
        [3 / 32, 1 / 9],
    ),
    "binary cross-entropy with 1/4": (
        lambda real, fake: ops.bce_with_logits(real, 0.25),
        LOGS,
        (log(2) + log(4) - log(3) / 4) / 2,
        [1 / 8, 1 / 4],
        [0, 0],
        [1 / 8, 3 / 32],
        [0, 0],
    ),
    "hinge d": (  # the second real and the first fake lie beyond their margins
        ops.hinge_d_loss,
        FRACTIONS,
        F(1, 4) + F(5, 8),
        [-1 / 2, 0],
        [0, 1 / 2],
        [0, 0],
        [0, 0],
    ),
    "hinge g": (
        lambda real, fake: ops.hinge_g_loss(fake),
        FRACTIONS,
        F(7, 8),
        [0, 0],
        [-1 / 2, -1 / 2],
        [0, 0],
        [0, 0],
    ),
    "wasserstein d": (
        ops.wasserstein_d_loss,
        FRACTIONS,
        F(-7, 8) - F(5, 4),
        [-1 / 2, -1 / 2],
        [1 / 2, 1 / 2],
        [0, 0],
        [0, 0],
    ),
    "wasserstein g": (
        lambda real, fake: ops.wasserstein_g_loss(fake),
        FRACTIONS,
        F(7, 8),
        [0, 0],
        [-1 / 2, -1 / 2],
        [0, 0],
        [0, 0],
    ),
    "least squares d": (
        ops.least_squares_d_loss,
        FRACTIONS,
        F(5, 16) + F(65, 64),  # (1/4 + 1) / 4 + (4 + 1/16) / 4
        [-1 / 4, 1 / 2],
        [-1, 1 / 8],
        [1 / 2, 1 / 2],
        [1 / 2, 1 / 2],
    ),
    "least squares d, reals aim at 3/4": (
        least_squares(smooth=0.25),
        FRACTIONS,
        F(13, 32) + F(65, 64),  # (1/16 + 25/16) / 4 + ...
        [-1 / 8, 5 / 8],
        [-1, 1 / 8],
        [1 / 2, 1 / 2],
        [1 / 2, 1 / 2],
    ),
    "least squares g": (
        lambda real, fake: ops.least_squares_g_loss(fake),
        FRACTIONS,
        F(153, 64),  # (9 + 9/16) / 4
        [0, 0],
        [-3 / 2, -3 / 8],
        [0, 0],
        [1 / 2, 1 / 2],
    ),
    "least squares against -1": (
        lambda real, fake: ops.gan_loss(fake, kind="least_squares", target=-1.0),
        FRACTIONS,
        F(41, 64),  # (1 + 25/16) / 4
        [0, 0],
        [-1 / 2, 5 / 8],
        [0, 0],
        [1 / 2, 1 / 2],
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_loss_its_gradient_and_its_curvature_by_hand(name, backend):
    loss_of, samples, value, *derivatives = BY_HAND[name]
    real, fake = (Tensor(np.array([samples[k]]).T, requires_grad=True) for k in ("real", "fake"))
    with kernels.use_backend(backend, "numpy"):
        loss = loss_of(real, fake)
        slopes = grad(loss, (real, fake), create_graph=True)
        # each term sees one sample: the sum of the slopes holds the diagonal of the Hessian
        curvatures = grad(ops.sum(slopes[0]) + ops.sum(slopes[1]), (real, fake))
    assert float(loss) == pytest.approx(float(value), rel=1e-14)
    for found, expected in zip([*slopes, *curvatures], derivatives, strict=True):
        np.testing.assert_allclose(found.data[:, 0], expected, rtol=1e-14, atol=1e-16)


def test_every_loss_of_the_library_is_worked_here():
    """Whoever adds a loss to ``ops`` works two samples of it in this file."""
    home = {name: getattr(getattr(ops, name), "__module__", "") for name in ops.__all__}
    public = {name for name, module in home.items() if module == ops.gan_loss.__module__}
    here = Path(__file__).read_text(encoding="utf-8")
    assert len(public) > 10
    assert [name for name in sorted(public) if f"ops.{name}" not in here] == []


def test_at_its_kink_the_hinge_has_slope_zero(backend):
    real, fake = Tensor([1.0, 1.0], requires_grad=True), Tensor([-1.0, -1.0], requires_grad=True)
    with kernels.use_backend(backend, "numpy"):
        loss = ops.hinge_d_loss(real, fake)
        slopes = grad(loss, (real, fake))
    assert float(loss) == 0.0
    assert not any(g.data.any() for g in slopes)


def test_the_losses_of_an_undecided_discriminator(backend):
    """At logits 0: D = 1/2, where L_D = 2 log 2 and both of G's losses are log 2 in size."""
    zero = np.zeros((2, 1))
    with kernels.use_backend(backend, "numpy"):
        assert float(ops.logistic_d_loss(zero, zero)) == pytest.approx(2 * log(2), rel=1e-15)
        assert float(ops.nonsaturating_g_loss(zero)) == pytest.approx(log(2), rel=1e-15)
        assert float(ops.saturating_g_loss(zero)) == pytest.approx(-log(2), rel=1e-15)
        assert float(ops.hinge_d_loss(zero, zero)) == 2.0
        assert float(ops.least_squares_d_loss(zero, zero)) == 0.5


def test_cross_entropy_of_two_samples_by_hand(backend):
    """Softmax of (0, log 3) is (1/4, 3/4), of (log 2, 0) it is (2/3, 1/3); both have label 1.

    The loss is -(log 3/4 + log 1/3) / 2 = log 2; its gradient is (softmax - onehot) / 2. A
    sample's Hessian is diag(s) - s s^T, halved: 3/32 (1, -1; -1, 1) and 1/9 (1, -1; -1, 1).
    """
    logits = Tensor(np.array([[0.0, log(3)], [log(2), 0.0]]), requires_grad=True)
    with kernels.use_backend(backend, "numpy"):
        loss = ops.cross_entropy(logits, np.array([1, 1]))
        (slope,) = grad(loss, (logits,), create_graph=True)
        bent = grad(ops.sum(slope[:, 0]), logits)
    assert float(loss) == pytest.approx(log(2), rel=1e-14)
    np.testing.assert_allclose(slope.data, [[1 / 8, -1 / 8], [1 / 3, -1 / 3]], rtol=1e-14)
    np.testing.assert_allclose(bent.data, [[3 / 32, -3 / 32], [1 / 9, -1 / 9]], rtol=1e-13)
