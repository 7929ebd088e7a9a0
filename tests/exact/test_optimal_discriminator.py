"""The best discriminator of two known distributions, and what the losses are worth there.

On a support of K points with masses p (data) and q (fakes) a logit each is the richest D there is,
and E_p f = sum_k p_k f_k is exact. For the logistic loss (arXiv:1406.2661, section 4.1)

    L_D(l) = sum_k p_k softplus(-l_k) + q_k softplus(l_k)
    dL_D/dl_k = -p_k (1 - sigmoid(l_k)) + q_k sigmoid(l_k) = 0   at   sigmoid(l) = p / (p + q),

so l* = log(p / q), and there V = -L_D = -log 4 + 2 JS(p, q).
"""

import numpy as np
import pytest

from tinygan import ops
from tinygan.autograd import Tensor, grad

K = 6
SEEDS = range(5)


def masses(seed):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(K)), rng.dirichlet(np.ones(K))


def kl(p, q):
    return (p * np.log(p / q)).sum()


def js(p, q):
    return kl(p, (p + q) / 2) / 2 + kl(q, (p + q) / 2) / 2


def expectation(weights, loss, logit):
    """Weigh the losses of the points, each by itself: sum_k weights_k loss(logit_k)."""
    return sum(weights[k] * loss(logit[k]) for k in range(len(weights)))


def d_loss(logit, p, q, kind, real=1.0, fake=0.0):
    """Write L_D with the engine's own loss of every point."""
    return expectation(p, lambda v: ops.gan_loss(v, kind=kind, target=real), logit) + expectation(
        q, lambda v: ops.gan_loss(v, kind=kind, target=fake), logit
    )


def newton(loss_of, steps, size=K):
    """Minimise a loss that is a sum over points: its Hessian is diagonal, so divide by that."""
    logit = np.zeros(size)
    for _ in range(steps):
        t = Tensor(logit, requires_grad=True)
        slope = grad(loss_of(t), t, create_graph=True)
        logit = logit - slope.data / grad(ops.sum(slope), t).data
    return logit


@pytest.mark.parametrize("seed", SEEDS)
def test_newton_on_the_logistic_loss_finds_p_over_p_plus_q(seed):
    """Newton from l = 0 undershoots, as sigmoid is concave beyond 0: no step passes l*."""
    p, q = masses(seed)
    logit = newton(lambda t: d_loss(t, p, q, "logistic"), steps=12)
    np.testing.assert_allclose(logit, np.log(p / q), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), p / (p + q), rtol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_at_the_optimum_the_slope_is_zero_and_the_value_is_two_js_less_log_four(seed):
    p, q = masses(seed)
    logit = Tensor(np.log(p / q), requires_grad=True)
    loss = d_loss(logit, p, q, "logistic")
    np.testing.assert_allclose(grad(loss, logit).data, np.zeros(K), atol=1e-15)
    assert -float(loss) == pytest.approx(-np.log(4) + 2 * js(p, q), rel=1e-14)


def test_equal_distributions_leave_an_undecided_discriminator_and_minus_log_four():
    p, _ = masses(0)
    logit = newton(lambda t: d_loss(t, p, p, "logistic"), steps=1)
    np.testing.assert_allclose(logit, np.zeros(K), atol=1e-15)
    assert -float(d_loss(Tensor(logit), p, p, "logistic")) == pytest.approx(-np.log(4), rel=1e-15)


# --- two Gaussians on a grid: p of N(0, 1) and q of N(shift, 1) ---

GRID = np.linspace(-5, 7, 49)


def gaussian(shift):
    weights = np.exp(-((GRID - shift) ** 2) / 2)
    return weights / weights.sum()


@pytest.mark.parametrize("shift", [0.5, 2.0])
def test_the_best_discriminator_of_two_gaussians_is_a_line_of_logits(shift):
    """log p/q = ((x - shift)^2 - x^2) / 2 = shift^2 / 2 - shift x, as the grid's sums are equal.

    D* = sigmoid of that: undecided at shift / 2, half-way. The sums: sampled at steps of 1/4, a
    Gaussian's integral is right to exp(-2 pi^2 16); the tails beyond the grid are below 3e-7.
    """
    p, q = gaussian(0.0), gaussian(shift)
    logit = newton(lambda t: d_loss(t, p, q, "logistic"), steps=25, size=GRID.size)
    np.testing.assert_allclose(logit, shift**2 / 2 - shift * GRID, rtol=0, atol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), p / (p + q), rtol=1e-9)


@pytest.mark.parametrize("shift", [0.5, 2.0])
def test_a_linear_discriminator_of_two_gaussians_finds_the_best_line(shift):
    """D(x) = w x + b holds the best D of all: Newton in (w, b), which see all points at once.

    At w = -shift, b = shift^2 / 2, and there -L_D = -log 4 + 2 JS. The Hessian is the engine's.
    """
    p, q = gaussian(0.0), gaussian(shift)
    x = Tensor(GRID)

    def loss_of(theta):
        logit = theta[0] * x + theta[1]
        return ops.sum(p * ops.softplus(-logit)) + ops.sum(q * ops.softplus(logit))

    theta = np.zeros(2)
    for _ in range(12):
        t = Tensor(theta, requires_grad=True)
        slope = grad(loss_of(t), t, create_graph=True)
        hessian = [grad(slope[i], t, retain_graph=True).data for i in range(2)]
        theta = theta - np.linalg.solve(np.array(hessian), slope.data)
    np.testing.assert_allclose(theta, [-shift, shift**2 / 2], rtol=0, atol=1e-6)
    assert -float(loss_of(Tensor(theta))) == pytest.approx(-np.log(4) + 2 * js(p, q), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_sided_smoothing_scales_the_best_discriminator(seed):
    """With target t for reals: t p (1 - D) = ((1 - t) p + q) D, so D* = t p / (p + q).

    Smoothing the fakes too would add a multiple of q above, and move D* where only q lives
    (arXiv:1606.03498, section 3.4).
    """
    p, q = masses(seed)
    logit = Tensor(np.log(0.9 * p / (q + 0.1 * p)), requires_grad=True)
    np.testing.assert_allclose(1 / (1 + np.exp(-logit.data)), 0.9 * p / (p + q), rtol=1e-14)
    slope = grad(d_loss(logit, p, q, "logistic", real=0.9), logit)
    np.testing.assert_allclose(slope.data, np.zeros(K), atol=1e-15)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("real", "fake"), [(1.0, 0.0), (1.0, -1.0)])
def test_the_best_least_squares_discriminator_is_the_mean_of_its_targets(seed, real, fake):
    """L_D is quadratic: one Newton step lands on D* = (b p + a q) / (p + q), b and a the targets.

    There L_D = (b - a)^2 / 2 sum p q / (p + q), and since 4 p q = (p + q)^2 - (p - q)^2 the sum is
    1/2 - 1/4 sum (p - q)^2 / (p + q): a chi-square distance. Source: arXiv:1611.04076, section 3.
    """
    p, q = masses(seed)
    best = newton(lambda t: d_loss(t, p, q, "least_squares", real, fake), steps=1)
    np.testing.assert_allclose(best, (real * p + fake * q) / (p + q), rtol=1e-13)
    symmetric = ((p - q) ** 2 / (p + q)).sum()
    value = float(d_loss(Tensor(best), p, q, "least_squares", real, fake))
    assert value == pytest.approx((real - fake) ** 2 / 2 * (0.5 - symmetric / 4), rel=1e-13)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_best_hinge_discriminator_is_a_sign_and_measures_total_variation(seed):
    """Each point's loss p relu(1 - l) + q relu(1 + l) is least, 2 min(p, q), at l = sign(p - q).

    The sum is 2 - 2 TV, TV = sum |p - q| / 2 (arXiv:1705.02894). It is a sum of convex functions of
    one logit each, so a point that no small change of one logit betters is the optimum.
    """
    p, q = masses(seed)
    best = Tensor(np.sign(p - q))
    least = 2 - np.abs(p - q).sum()
    assert float(d_loss(best, p, q, "hinge", 1, -1)) == pytest.approx(least, rel=1e-14)
    for shift in (-1.0, -0.1, 0.1, 1.0):
        for k in range(K):
            moved = best.data.copy()
            moved[k] += shift
            assert float(d_loss(Tensor(moved), p, q, "hinge", 1, -1)) > least


def descend_g(loss_of, theta):
    """Return q = softmax(theta) and the engine's gradient of a loss of G in theta."""
    theta = Tensor(theta, requires_grad=True)
    return grad(loss_of(ops.softmax(theta, 0)), theta).data


def through_softmax(slope, q):
    """Chain a gradient in q to one in theta: q (slope - <q, slope>); constants drop out."""
    return q * (slope - (q * slope).sum())


@pytest.mark.parametrize("seed", SEEDS)
def test_against_the_best_discriminator_saturating_g_descends_two_js(seed):
    """D* is a stationary point of V, so dV/dq at fixed D* is d(-log 4 + 2 JS)/dq (envelope).

    d(2 JS)/dq_k = log(2 q_k / (p_k + q_k)), and dL_G/dq_k = -softplus(l*_k) = log(q / (p + q)).
    """
    p, _ = masses(seed)
    theta = np.random.default_rng(seed + 50).normal(size=K)
    q = np.exp(theta) / np.exp(theta).sum()
    best = Tensor(np.log(p / q))
    slope = descend_g(lambda w: expectation(w, ops.saturating_g_loss, best), theta)
    expected = through_softmax(np.log(2 * q / (p + q)), q)
    np.testing.assert_allclose(slope, expected, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("seed", SEEDS)
def test_against_the_best_discriminator_non_saturating_g_descends_kl_less_two_js(seed):
    """dL_G/dq_k = softplus(-l*_k) = log((p + q) / p), and d(KL(q, p) - 2 JS)/dq_k = that + const.

    Source: arXiv:1701.04862, theorem 2.5: the reverse KL, and JS with the wrong sign.
    """
    p, _ = masses(seed)
    theta = np.random.default_rng(seed + 50).normal(size=K)
    q = np.exp(theta) / np.exp(theta).sum()
    best = Tensor(np.log(p / q))
    slope = descend_g(lambda w: expectation(w, ops.nonsaturating_g_loss, best), theta)
    expected = through_softmax(np.log(q / p) + 1 - np.log(2 * q / (p + q)), q)
    np.testing.assert_allclose(slope, expected, rtol=1e-11, atol=1e-15)


def test_descent_on_samples_finds_the_best_discriminator():
    """Data at 0 with p = 3/4 and at 1 with 1/4, fakes the other way round: l* = +-log 3.

    The Hessian at l* is (p + q) D (1 - D) = 3/16 for both: a step of 4 leaves 1/4 of an error.
    """
    logits = Tensor(np.zeros(2), requires_grad=True)
    real, fake = np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1])
    for _ in range(30):
        loss = ops.logistic_d_loss(ops.take(logits, real), ops.take(logits, fake))
        logits.assign_(logits.data - 4.0 * grad(loss, logits).data)
    np.testing.assert_allclose(logits.data, [np.log(3), -np.log(3)], rtol=1e-12)
    p, q = np.array([0.75, 0.25]), np.array([0.25, 0.75])
    assert float(loss) == pytest.approx(2 * np.log(2) - 2 * js(p, q), rel=1e-13)
