"""Gradient penalties of critics whose slope is known: linear, quadratic, round, and a cone.

    D(x) = <w, x>         slope w everywhere: the penalties are functions of |w| alone
    D(x) = x^T A x / 2    slope A x for symmetric A: R1 is a variance, gamma/2 tr(A E[x x^T] A)
    D(x) = a |x|^2 / 2    slope a x: penalties centred at one see |a| |x|

A linear critic's images have several axes, as a norm over the channels alone would be another.
"""

import numpy as np
import pytest

from tinygan import kernels, ops
from tinygan.autograd import Tensor, grad
from tinygan.gan import dragan, gradient_penalty, r1, r2

RNG = np.random.default_rng(1)
REAL, FAKE = RNG.normal(size=(2, 6, 2, 4, 4))
ALPHA, NOISE = RNG.uniform(size=6), RNG.uniform(size=REAL.shape)
W = RNG.normal(size=(2, 4, 4))
NORM = np.sqrt((W**2).sum())

CENTRED = {
    "gradient_penalty": lambda D: gradient_penalty(D, Tensor(REAL), Tensor(FAKE), alpha=ALPHA),
    "dragan": lambda D: dragan(D, Tensor(REAL), noise=NOISE, alpha=ALPHA),
}
ZERO_CENTRED = {
    "r1": lambda D, gamma: r1(D, Tensor(REAL), gamma_r1=gamma),
    "r2": lambda D, gamma: r2(D, Tensor(FAKE), gamma_r2=gamma),
}


def linear(w):
    return lambda x: ops.sum(x * w, (1, 2, 3))


@pytest.mark.parametrize("name", CENTRED)
@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_a_centred_penalty_of_a_linear_critic_is_its_distance_from_slope_one(name, scale, backend):
    """(|w| - 1)^2 has the gradient 2 (|w| - 1) w / |w| and, with n = w / |w|, the Hessian

    2 (1 - 1/|w|) (1 - n n^T) + 2 n n^T: stiff along w, and across it of the sign of |w| - 1.
    """
    w = Tensor(scale * W / NORM, requires_grad=True)
    along, across = W / NORM, RNG.normal(size=W.shape)
    across -= along * (along * across).sum()
    with kernels.use_backend(backend, "numpy"):
        penalty = CENTRED[name](linear(w))
        slope = grad(penalty, w, create_graph=True)
        bent = [grad(ops.sum(slope * d), w, retain_graph=True).data for d in (along, across)]
    assert float(penalty) == pytest.approx((scale - 1) ** 2, rel=1e-9, abs=1e-20)
    np.testing.assert_allclose(slope.data, 2 * (scale - 1) * along, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(bent[0], 2 * along, rtol=0, atol=1e-8)
    np.testing.assert_allclose(bent[1], 2 * (1 - 1 / scale) * across, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ZERO_CENTRED)
def test_a_zero_centred_penalty_of_a_linear_critic_is_its_squared_slope(name, backend):
    """gamma/2 |w|^2 has the gradient gamma w and the Hessian gamma."""
    w = Tensor(W, requires_grad=True)
    with kernels.use_backend(backend, "numpy"):
        penalty = ZERO_CENTRED[name](linear(w), 3.0)
        slope = grad(penalty, w, create_graph=True)
        bent = grad(ops.sum(slope * NOISE[0]), w).data
    assert float(penalty) == pytest.approx(1.5 * NORM**2, rel=1e-14)
    np.testing.assert_allclose(slope.data, 3.0 * W, rtol=1e-13)
    np.testing.assert_allclose(bent, 3.0 * NOISE[0], rtol=1e-13)


@pytest.mark.parametrize("name", ZERO_CENTRED)
def test_a_zero_centred_penalty_of_a_quadratic_critic_is_a_variance(name, backend):
    """With S = mean of x x^T: gamma/2 mean |A x|^2 = gamma/2 tr(A S A).

    D = x^T B x / 2 has the slope (B + B^T) x / 2, so at a symmetric B = A the gradient in B is the
    symmetric part of gamma A S, gamma/2 (A S + S A). Reals and fakes have different S.
    """
    x = (REAL if name == "r1" else FAKE).reshape(6, -1)
    second_moment = x.T @ x / 6
    a = RNG.normal(size=(32, 32))
    a = Tensor(a + a.T, requires_grad=True)

    def critic(x):
        flat = x.reshape(6, -1)
        return 0.5 * ops.sum(flat * (flat @ a), 1)

    with kernels.use_backend(backend, "numpy"):
        penalty = ZERO_CENTRED[name](critic, 2.0)
        slope = grad(penalty, a).data
    product = a.data @ second_moment
    assert float(penalty) == pytest.approx(np.trace(product @ a.data), rel=1e-13)
    np.testing.assert_allclose(slope, product + product.T, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", CENTRED)
def test_a_centred_penalty_of_a_round_critic_is_taken_at_its_own_points(name, backend):
    """D = a |x|^2 / 2: mean (a |x_hat| - 1)^2, slope 2 mean |x_hat| (a |x_hat| - 1) for a > 0.

    x_hat = alpha real + (1 - alpha) fake, or alpha noise std(real) / 2 beside real.
    """
    alpha = ALPHA[:, None, None, None]
    points = {
        "gradient_penalty": alpha * REAL + (1 - alpha) * FAKE,
        "dragan": REAL + alpha * 0.5 * REAL.std() * NOISE,
    }[name]
    size = np.sqrt((points**2).sum((1, 2, 3)))
    a = Tensor(np.float64(0.3), requires_grad=True)
    with kernels.use_backend(backend, "numpy"):
        penalty = CENTRED[name](lambda x: 0.5 * a * ops.sum(x * x, (1, 2, 3)))
        slope = float(grad(penalty, a))
    assert float(penalty) == pytest.approx(((0.3 * size - 1) ** 2).mean(), rel=1e-10)
    assert slope == pytest.approx(2 * (size * (0.3 * size - 1)).mean(), rel=1e-10)


def test_a_norm_over_channels_would_call_a_critic_flat_whose_slope_is_one():
    """|w| = 1 over all axes costs nothing; pixel by pixel the norms are far below 1.

    Their squares add up to 1 over 16 pixels, so their mean m is at most 1/4 and the mean of
    (norm - 1)^2, at least (1 - m)^2, above 1/2.
    """
    w = Tensor(W / NORM)
    assert float(CENTRED["gradient_penalty"](linear(w))) == pytest.approx(0.0, abs=1e-20)
    per_pixel = np.sqrt(((W / NORM) ** 2).sum(axis=0))
    assert per_pixel.mean() < 0.25
    assert ((per_pixel - 1) ** 2).mean() > 0.5


def test_a_flat_critic_costs_one_and_does_not_know_where_to_go():
    """|w| has a kink at 0. The engine's sqrt(|w|^2 + 1e-12) rounds it off: the slope is 0."""
    w = Tensor(np.zeros_like(W), requires_grad=True)
    for penalty_of in CENTRED.values():
        penalty = penalty_of(linear(w))
        assert float(penalty) == pytest.approx((1 - 1e-6) ** 2, rel=1e-12)
        assert not grad(penalty, w).data.any()


def test_a_cone_has_one_slope_in_all_directions():
    """D = |x| / 2 has a slope of norm 1/2 at every point but 0: (1/2 - 1)^2 for any samples."""
    penalty = CENTRED["gradient_penalty"](lambda x: 0.5 * ops.sqrt(ops.sum(x * x, (1, 2, 3))))
    assert float(penalty) == pytest.approx(0.25, rel=1e-10)
