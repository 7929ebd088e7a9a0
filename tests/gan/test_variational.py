"""The variational bound's parts against closed forms, sums written out and integrals."""

import math

import numpy as np
import pytest

from tinygan import ops, random
from tinygan.autograd import Tensor, grad
from tinygan.errors import ShapeError
from tinygan.gan.variational import draw, gaussian_nll, kl_to_standard_normal
from tinygan.testing import check_grads

RNG = np.random.default_rng(5)


def integral(f, low=-30.0, high=30.0, n=200_001):
    step = (high - low) / n
    return float(f(low + step * (np.arange(n) + 0.5)).sum() * step)


def density(x, mean, variance):
    return np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


@pytest.mark.parametrize(("mean", "log_var"), [(0.0, 0.0), (1.5, -1.0), (-0.3, 0.8)])
def test_kl_of_one_number_is_its_integral(mean, log_var):
    variance = math.exp(log_var)

    def integrand(x):
        q = density(x, mean, variance)
        log_q = -((x - mean) ** 2) / (2 * variance) - 0.5 * math.log(2 * math.pi * variance)
        log_p = -(x**2) / 2 - 0.5 * math.log(2 * math.pi)
        return q * (log_q - log_p)

    found = kl_to_standard_normal(Tensor([[mean]]), Tensor([[log_var]]))
    assert float(found) == pytest.approx(integral(integrand), abs=1e-6)


def test_kl_adds_up_over_entries_and_averages_over_samples():
    mean, log_var = RNG.normal(size=(2, 5, 3))
    single = [
        float(kl_to_standard_normal(Tensor([[m]]), Tensor([[v]])))
        for m, v in zip(mean.ravel(), log_var.ravel(), strict=True)
    ]
    found = kl_to_standard_normal(Tensor(mean), Tensor(log_var))
    assert float(found) == pytest.approx(sum(single) / 5, rel=1e-6)


def test_nll_is_minus_the_logarithm_of_the_density():
    x, mean = RNG.normal(size=(2, 4, 3))
    by_hand = -np.log(density(x, mean, 0.7**2)).sum(1).mean()
    assert float(gaussian_nll(Tensor(x), Tensor(mean), sigma=0.7)) == pytest.approx(by_hand)


def test_the_sigma_that_is_left_open_is_the_likeliest():
    x, mean = (Tensor(a) for a in RNG.normal(size=(2, 4, 3)))
    given = [float(gaussian_nll(x, mean, sigma=s)) for s in np.geomspace(0.1, 10, 4001)]
    assert float(gaussian_nll(x, mean)) == pytest.approx(min(given), rel=1e-6)
    assert float(gaussian_nll(x, mean)) <= min(given)


def test_with_sigma_left_open_the_gradient_is_that_of_the_profile_likelihood():
    x = RNG.normal(size=(4, 3))
    check_grads(lambda m: gaussian_nll(Tensor(x), m), [RNG.normal(size=(4, 3))], order=1)


def test_losses_have_gradients_of_every_order():
    a, b = RNG.normal(size=(2, 3, 2))
    check_grads(kl_to_standard_normal, [a, b], order=3)
    check_grads(lambda x, m: gaussian_nll(x, m, sigma=0.5), [a, b], order=3)


def test_nll_of_a_perfect_reconstruction_is_finite():
    assert math.isfinite(float(gaussian_nll(Tensor(np.ones((2, 3))), Tensor(np.ones((2, 3))))))


def test_nll_refuses_shapes_that_would_broadcast():
    with pytest.raises(ShapeError, match=r"x \(4, 3\) and mean \(4, 1\) differ"):
        gaussian_nll(Tensor(np.ones((4, 3))), Tensor(np.ones((4, 1))))


def test_draws_have_the_mean_and_the_deviation_that_they_are_given():
    n, mean, log_var = 20_000, np.array([1.0, -2.0]), np.array([0.0, -3.0])
    with random.using(random.Streams(3)):
        z = draw(Tensor(np.tile(mean, (n, 1))), Tensor(np.tile(log_var, (n, 1)))).data
    deviation = np.exp(log_var / 2)
    assert (np.abs(z.mean(0) - mean) < 5 * deviation / np.sqrt(n)).all()
    np.testing.assert_allclose(z.std(0), deviation, rtol=5 / np.sqrt(2 * n))


def test_gradients_reach_mean_and_deviation_through_a_draw():
    mean = Tensor(np.zeros((1, 2)), requires_grad=True)
    log_var = Tensor(np.array([[0.4, -0.6]]), requires_grad=True)
    with random.using(random.Streams(3)):
        z = draw(mean, log_var)
    of_mean, of_log_var = grad(ops.sum(z), [mean, log_var])
    assert (of_mean.data == 1).all()
    np.testing.assert_allclose(of_log_var.data, z.data / 2)  # z = sigma e, and d sigma = sigma / 2
