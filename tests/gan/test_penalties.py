"""Gradient penalties of networks against finite differences; tests/exact has the closed forms."""

import numpy as np
import pytest

from tinygan import nn, ops, random
from tinygan.autograd import Tensor, grad
from tinygan.errors import ShapeError
from tinygan.gan import dragan, gradient_penalty, r1, r2

RNG = np.random.default_rng(1)
X = RNG.normal(size=(6, 2, 4, 4))
FAKE = RNG.normal(size=(6, 2, 4, 4))
ALPHA = RNG.uniform(size=6)
W = RNG.normal(size=(2, 4, 4))


def linear(w):
    return lambda x: ops.sum(x * w, (1, 2, 3))


def test_interpolates_lie_between_their_own_real_and_fake():
    seen = []

    def critic(x):
        seen.append(x.data)
        return ops.sum(x, (1, 2, 3))

    gradient_penalty(critic, Tensor(X), Tensor(FAKE), alpha=ALPHA)
    a = ALPHA[:, None, None, None]
    np.testing.assert_allclose(seen[0], a * X + (1 - a) * FAKE)


def test_dragan_perturbs_reals_by_half_their_deviation():
    seen = []
    noise = RNG.uniform(size=X.shape)

    def critic(x):
        seen.append(x.data)
        return ops.sum(x, (1, 2, 3))

    penalty = dragan(critic, Tensor(X), noise=noise, alpha=ALPHA)
    step = ALPHA[:, None, None, None] * 0.5 * X.std() * noise
    np.testing.assert_allclose(seen[0], X + step)
    assert float(penalty) == pytest.approx((np.sqrt(32.0) - 1) ** 2)


class ConvCritic(nn.Module):
    """A convolution, batch norm and a smooth activation: the case that engines get wrong."""

    def __init__(self):
        self.conv1 = nn.Conv2d(2, 3, 3, stride=2, padding=1, dtype=np.float64)
        self.norm = nn.BatchNorm2d(3, dtype=np.float64)
        self.conv2 = nn.Conv2d(3, 1, 2, dtype=np.float64)

    def forward(self, x):
        return self.conv2(ops.tanh(self.norm(self.conv1(x)))).reshape(-1)


def penalties(critic, noise):
    real, fake = Tensor(X), Tensor(FAKE)
    return {
        "gradient_penalty": lambda: gradient_penalty(critic, real, fake, alpha=ALPHA),
        "r1": lambda: r1(critic, real, gamma_r1=2.0),
        "r2": lambda: r2(critic, fake, gamma_r2=2.0),
        "dragan": lambda: dragan(critic, real, noise=noise, alpha=ALPHA),
    }


@pytest.mark.parametrize("name", ["gradient_penalty", "r1", "r2", "dragan"])
def test_slope_of_the_penalty_through_conv_and_batch_norm_is_its_finite_difference(name):
    with random.using(random.Streams(3)):
        critic = ConvCritic()
    penalty = penalties(critic, RNG.uniform(size=X.shape))[name]
    parameters = critic.named_parameters()
    analytic = grad(penalty(), list(parameters.values()))
    for (label, p), g in zip(parameters.items(), analytic, strict=True):
        direction = RNG.normal(size=p.shape)
        start, h, values = p.data.copy(), 1e-5, []
        for sign in (1, -1):
            p.assign_(start + sign * h * direction)
            values.append(float(penalty()))
        p.assign_(start)
        numeric = (values[0] - values[1]) / (2 * h)
        assert (g.data * direction).sum() == pytest.approx(numeric, rel=1e-6, abs=1e-8), label


def test_penalty_does_not_reach_the_samples_own_graph():
    source = Tensor(X, requires_grad=True)
    w = Tensor(W, requires_grad=True)
    penalty = gradient_penalty(linear(w), source * 1.0, source * 2.0, alpha=ALPHA)
    assert not grad(penalty, source).data.any()


def test_misfitting_arguments_are_named():
    d = linear(Tensor(W))
    with pytest.raises(ShapeError, match="one number a sample"):
        gradient_penalty(d, Tensor(X), Tensor(FAKE), alpha=RNG.uniform(size=X.shape))
    with pytest.raises(ShapeError, match="fake is"):
        gradient_penalty(d, Tensor(X), Tensor(FAKE[:3]), alpha=ALPHA)
    with pytest.raises(ShapeError, match="noise"):
        dragan(d, Tensor(X), noise=ALPHA, alpha=ALPHA)


def test_float32_stays_float32():
    x = Tensor(X.astype(np.float32))
    w = Tensor(W.astype(np.float32), requires_grad=True)
    penalty = gradient_penalty(linear(w), x, x, alpha=ALPHA)
    assert penalty.dtype == grad(penalty, w).dtype == np.float32
