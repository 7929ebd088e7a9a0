"""The Wasserstein distance by linear programming, and critics that bound it from below.

    W1(p, q) = min <C, T>   over T >= 0 with marginals p and q,  C_ij = |x_i - y_j|     (primal)
             = max E_p f - E_q f   over f with |f(a) - f(b)| <= |a - b|                 (dual)

So for *any* critic f, (E_p f - E_q f) / Lip(f) <= W1, Lip(f) its largest slope between two points
of the supports; -L_D of the engine's Wasserstein loss is the numerator (arXiv:1701.07875).
"""

import numpy as np
import pytest

from tinygan import nn, ops, optim, random
from tinygan.autograd import Tensor, grad, no_grad
from tinygan.gan import gradient_penalty
from tinygan.nn.utils import spectral_norm

optimize = pytest.importorskip("scipy.optimize", reason="SciPy solves the linear programs")


def distances(x, y):
    return np.sqrt(((x[:, None] - y[None]) ** 2).sum(-1))


def primal(x, y, p, q):
    n, m = len(p), len(q)
    rows = np.kron(np.eye(n), np.ones(m))  # sum_j T_ij = p_i
    columns = np.kron(np.ones(n), np.eye(m))  # sum_i T_ij = q_j
    found = optimize.linprog(
        distances(x, y).ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.concatenate([p, q])
    )
    assert found.status == 0
    return found.fun


def dual(x, y, p, q):
    """Return the value, and f at all points, x and y together, under every pair's constraint."""
    points = np.concatenate([x, y])
    k = len(points)
    i, j = np.nonzero(~np.eye(k, dtype=bool))
    differences = np.zeros((len(i), k))
    differences[np.arange(len(i)), i], differences[np.arange(len(i)), j] = 1, -1
    gain = np.concatenate([p, -q])
    found = optimize.linprog(
        -gain, A_ub=differences, b_ub=distances(points, points)[i, j], bounds=(None, None)
    )
    assert found.status == 0
    return -found.fun, found.x


def problem(seed, n=6, m=5, d=2):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d)) + 0.7
    return x, y, rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))


@pytest.mark.parametrize("seed", range(5))
def test_both_programs_have_one_value(seed):
    assert primal(*problem(seed)) == pytest.approx(dual(*problem(seed))[0], rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_on_a_line_the_program_is_the_area_between_the_distribution_functions(seed):
    x, y, p, q = problem(seed, d=1)
    points = np.concatenate([x, y])[:, 0]
    order = np.argsort(points)
    jumps = np.concatenate([p, -q])[order]
    area = (np.abs(np.cumsum(jumps)[:-1]) * np.diff(points[order])).sum()
    assert primal(x, y, p, q) == pytest.approx(area, rel=1e-9)


# --- the best critic ---


def clouds(seed, n=12):
    """Two clouds of n points each, of equal masses: what the means of the engine's losses take."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 2)), rng.normal(size=(n, 2)) + np.array([1.5, 0.5])
    return x, y, np.full(n, 1 / n)


def gain(critic, x, y):
    """Return E_p f - E_q f."""
    with no_grad():
        return -float(ops.wasserstein_d_loss(critic(Tensor(x)), critic(Tensor(y))))


@pytest.mark.parametrize("seed", range(3))
def test_the_best_critic_reaches_the_distance_and_costs_no_penalty(seed):
    """Any f that keeps the constraints on the points extends to the plane with Lip(f) = 1:

    f(x) = min_j f_j + |x - x_j|, a cone from one point wherever it is smooth, so its slope has norm
    1 there and WGAN-GP's penalty is 0 (arXiv:1704.00028, proposition 1 and its corollary).
    """
    x, y, mass = clouds(seed)
    exact, f = dual(x, y, mass, mass)
    points = Tensor(np.concatenate([x, y]))

    def critic(at):
        apart = at.reshape(-1, 1, 2) - points
        return ops.min(f + ops.sqrt(ops.sum(apart * apart, 2)), 1)

    assert gain(critic, x, y) == pytest.approx(exact, rel=1e-9)
    alpha = np.random.default_rng(seed).uniform(0.1, 0.9, size=len(x))
    penalty = gradient_penalty(critic, Tensor(x), Tensor(y), alpha=alpha)
    assert float(penalty) == pytest.approx(0, abs=1e-20)


# --- trained critics ---


def share(critic, x, y, exact):
    """Return the bound (E_p f - E_q f) / Lip(f) in parts of W1, Lip(f) over the points."""
    points = np.concatenate([x, y])
    with no_grad():
        f = critic(Tensor(points)).data[:, 0]
    apart = distances(points, points) + np.eye(len(points))
    return gain(critic, x, y) / (np.abs(f[:, None] - f[None]) / apart).max() / exact


def mlp(wrap=lambda layer: layer):
    def dense(i, o):
        return wrap(nn.Linear(i, o, dtype=np.float64))

    with random.using(random.Streams(6)):
        return nn.Sequential(dense(2, 32), nn.Tanh(), dense(32, 32), nn.Tanh(), dense(32, 1))


def trained(critic, clouds, steps, *, penalty=None, after=None):
    """Descend L_D on full batches; return the share of W1 at every tenth step."""
    x, y, mass = clouds
    exact, optimizer = primal(x, y, mass, mass), optim.Adam(critic.parameters(), 5e-3)
    shares = []
    for step in range(steps):
        loss = ops.wasserstein_d_loss(critic(Tensor(x)), critic(Tensor(y)))
        if penalty is not None:
            loss = loss + penalty()
        optimizer.step(grad(loss, optimizer.params))
        if after is not None:
            after()
        if step % 10 == 9:
            shares.append(share(critic, x, y, exact))
    return shares


def penalty_between(critic, x, y):
    rng = np.random.default_rng(0)

    def penalty():
        alpha, order = rng.uniform(size=len(x)), rng.permutation(len(y))
        return 10.0 * gradient_penalty(critic, Tensor(x), Tensor(y[order]), alpha=alpha)

    return penalty


@pytest.mark.parametrize("seed", range(2))
def test_a_critic_with_gradient_penalty_comes_close_and_never_exceeds(seed):
    x, y, mass = clouds(seed)
    critic = mlp()
    shares = trained(critic, (x, y, mass), 200, penalty=penalty_between(critic, x, y))
    assert 0.8 < max(shares) <= 1 + 1e-9


def test_a_shift_is_measured_exactly_and_the_penalty_lets_the_slope_overshoot():
    """y = x + t: W1 = |t| and the best critic is linear, f(x) = -<x, t> / |t|.

    For f(x) = <w, x>, L_D + lambda penalty = <w, t> + lambda (|w| - 1)^2 is least at
    w = -(1 + |t| / (2 lambda)) t / |t|: the direction is exact, the raw gain W1 times that factor.
    Steps of 1 / (2 lambda) leave nothing along t and 1 - |t| / (2 lambda + |t|) = 0.86 across.
    """
    x, _, mass = clouds(0)
    t, weight = np.array([3.0, -1.0]), 10.0
    y, size = x + t, np.sqrt(10)
    assert primal(x, y, mass, mass) == pytest.approx(size, rel=1e-9)
    with random.using(random.Streams(2)):
        critic = nn.Linear(2, 1, bias=False, dtype=np.float64)
    optimizer, alpha = optim.SGD(critic.parameters(), 1 / (2 * weight)), np.full(len(x), 0.5)
    for _ in range(200):
        loss = ops.wasserstein_d_loss(critic(Tensor(x)), critic(Tensor(y)))
        loss = loss + weight * gradient_penalty(critic, Tensor(x), Tensor(y), alpha=alpha)
        optimizer.step(grad(loss, optimizer.params))
    factor = 1 + size / (2 * weight)
    np.testing.assert_allclose(critic.weight.data[0], -factor * t / size, rtol=1e-9)
    assert gain(critic, x, y) == pytest.approx(factor * size, rel=1e-9)


@pytest.mark.parametrize("seed", range(2))
def test_a_clipped_critic_bounds_from_below(seed):
    critic = mlp()

    def clip():
        for p in critic.parameters():
            p.assign_(np.clip(p.data, -0.1, 0.1))

    shares = trained(critic, clouds(seed), 100, after=clip)
    assert 0.7 < max(shares) <= 1 + 1e-9


@pytest.mark.parametrize("seed", range(2))
def test_a_spectrally_normalised_critic_bounds_from_below_as_it_is(seed):
    """tanh has slope at most 1, so Lip(f) is at most the product of the layers' norms.

    These are 1 as far as power iteration has followed the weights; nothing else is divided by.
    """
    x, y, mass = clouds(seed)
    critic = mlp(wrap=spectral_norm)
    shares = trained(critic, (x, y, mass), 200)
    assert 0.8 < max(shares) <= 1 + 1e-9
    lipschitz = 1.0
    for layer in critic.eval().modules():
        if isinstance(layer, nn.Linear):
            w, u, v = layer.weight_orig.data, layer.weight_u.data, layer.weight_v.data
            lipschitz *= np.linalg.norm(w, 2) / (u @ w @ v)
    assert lipschitz == pytest.approx(1, rel=0.01)
    raw = gain(critic, x, y) / primal(x, y, mass, mass)
    assert 0.75 < raw <= lipschitz * (1 + 1e-9)
