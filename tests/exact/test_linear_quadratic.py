"""Linear generators against quadratic critics: games whose equilibria and spectra are known.

Data x have mean 0 and covariance S, z has covariance 1, G(z) = A z, so fakes have covariance A A^T.
A quadratic critic sees second moments and nothing else; samples that have these exact moments stand
for the Gaussians. Sources: arXiv:1706.04156 (its linear-quadratic example), arXiv:1710.10793.
"""

import numpy as np
import pytest
from dirac import assert_spectrum, roots

from tinygan import ops
from tinygan.autograd import Tensor, grad
from tinygan.gan import game_field, game_jacobian, r1


def samples(covariance):
    """Return 2 d points whose mean is 0 and whose covariance is exactly this."""
    root = np.linalg.cholesky(covariance)
    d = len(root)
    return np.sqrt(d) * np.concatenate([np.eye(d), -np.eye(d)]) @ root.T


def quadratic(w):
    """D(x) = x^T W x."""
    return lambda x: ops.sum(x * (x @ w), 1)


def wasserstein_game(a, w, covariance, gamma_r1=0.0):
    """Return L_G and L_D of the WGAN with an optional R1."""
    real, fake = Tensor(samples(covariance)), Tensor(samples(np.eye(len(covariance)))) @ a.T
    D = quadratic(w)
    loss_d = ops.wasserstein_d_loss(D(real), D(fake))
    if gamma_r1:
        loss_d = loss_d + r1(D, real, gamma_r1=gamma_r1)
    return ops.wasserstein_g_loss(D(fake)), loss_d


def variables(*arrays):
    return [Tensor(np.array(a, dtype=float), requires_grad=True) for a in arrays]


def covariance_of(d, seed=0):
    root = np.random.default_rng(seed).normal(size=(d, d))
    return root @ root.T + np.eye(d)


def test_the_field_is_the_mismatch_of_the_covariances():
    """L_D = <W, A A^T - S>, L_G = -<W, A A^T>: v = (-(W + W^T) A, A A^T - S)."""
    s = covariance_of(3)
    a, w = variables(*np.random.default_rng(1).normal(size=(2, 3, 3)))
    v = game_field(wasserstein_game(a, w, s), (a, w))
    np.testing.assert_allclose(v[0].data, -(w.data + w.data.T) @ a.data, rtol=1e-12)
    np.testing.assert_allclose(v[1].data, a.data @ a.data.T - s, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_every_root_of_the_covariance_is_an_equilibrium(seed):
    """v = 0 at W = 0 and A A^T = S: a root, turned by any orthogonal matrix from the right."""
    s = covariance_of(3, seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    a, w = variables(np.linalg.cholesky(s) @ turn, np.zeros((3, 3)))
    for g in game_field(wasserstein_game(a, w, s), (a, w)):
        np.testing.assert_allclose(g.data, np.zeros((3, 3)), atol=1e-13)


@pytest.mark.parametrize("deviation", [0.5, 1.0, 3.0])
def test_in_one_dimension_it_turns_and_r1_damps_it(deviation):
    """v = (-2 w a, a^2 - s^2), at (s, 0): v' = (0, -2 s; 2 s, 0) and +- 2 i s.

    R1 is gamma/2 E (2 w x)^2 = 2 gamma s^2 w^2: with it t = 4 gamma s^2, d = 4 s^2.
    """
    s, gamma = np.array([[deviation**2]]), 0.3
    a, w = variables([[deviation]], [[0.0]])
    plain = game_jacobian(wasserstein_game(a, w, s), (a, w)).data
    assert_spectrum(plain, [2j * deviation, -2j * deviation])
    damped = game_jacobian(wasserstein_game(a, w, s, gamma), (a, w)).data
    assert_spectrum(damped, roots(4 * gamma * deviation**2, 4 * deviation**2))


@pytest.mark.parametrize("d", [2, 3])
def test_in_more_dimensions_it_turns_in_the_symmetric_directions_and_rests_in_the_others(d):
    """Around A = S = 1, W = 0: (dA, dW) -> (-(dW + dW^T), dA + dA^T).

    Symmetric pairs: (0, -2; 2, 0), +- 2 i, d (d + 1) / 2 times. Antisymmetric ones: 0, twice
    d (d - 1) / 2 times; A may turn, as A A^T does not see it, and W's half is one D does not see.
    """
    a, w = variables(np.eye(d), np.zeros((d, d)))
    matrix = game_jacobian(wasserstein_game(a, w, np.eye(d)), (a, w)).data
    turning, resting = d * (d + 1) // 2, d * (d - 1)
    assert_spectrum(matrix, [2j] * turning + [-2j] * turning + [0] * resting)


def test_penalising_the_slope_of_d_in_g_makes_the_equilibrium_attractive():
    """arXiv:1706.04156 adds eta |grad_D V|^2 to G's loss, here eta (a^2 - s^2)^2.

    It bends by 8 eta s^2 in a: t = 8 eta s^2, d = 4 s^2, and both real parts are positive.
    """
    s, eta = 1.5, 0.1
    a, w = variables([[s]], [[0.0]])
    loss_g, loss_d = wasserstein_game(a, w, np.array([[s * s]]))
    slope = grad(loss_d, w, create_graph=True)
    matrix = game_jacobian((loss_g + eta * ops.sum(slope * slope), loss_d), (a, w)).data
    assert_spectrum(matrix, roots(8 * eta * s * s, 4 * s * s))
    assert min(np.linalg.eigvals(matrix).real) > 0.1


# --- the second Wasserstein distance, whose quadratic critic is curved (arXiv:1710.10793) ---


def squared_distance_game(a, m, variances):
    """Return L_G and L_D of max over m of W2^2 = sum s + a^2 - (m s + a^2 / m), a value an axis.

    The critic psi(x) = sum m x^2 / 2 is convex and psi*(y) = sum y^2 / (2 m) its conjugate: by the
    dual of the squared distance, W2^2 >= E |x|^2 + E |y|^2 - 2 E psi(x) - 2 E psi*(y).
    """
    real = Tensor(samples(np.diag(variances)))
    fake = Tensor(samples(np.eye(len(variances)))) * a
    cost = ops.mean(ops.sum(m * real * real, 1)) + ops.mean(ops.sum(fake * fake / m, 1))
    sizes = ops.mean(ops.sum(real * real, 1)) + ops.mean(ops.sum(fake * fake, 1))
    return sizes - cost, cost


VARIANCES = np.array([0.5, 1.0, 9.0])


def test_the_best_quadratic_critic_measures_the_distance_of_gaussians():
    """L_D = sum m s + a^2 / m is least at m = a / sqrt(s): W2^2 = sum (sqrt(s) - a)^2."""
    a, m = variables([0.3, 2.0, 1.0], np.array([0.3, 2.0, 1.0]) / np.sqrt(VARIANCES))
    distance, cost = squared_distance_game(a, m, VARIANCES)
    np.testing.assert_allclose(grad(cost, m, retain_graph=True).data, np.zeros(3), atol=1e-13)
    expected = ((np.sqrt(VARIANCES) - a.data) ** 2).sum()
    assert float(distance) == pytest.approx(expected, rel=1e-13)
    # and its slope in a is that of the distance (envelope theorem)
    np.testing.assert_allclose(
        grad(distance, a).data, 2 * (a.data - np.sqrt(VARIANCES)), rtol=1e-12
    )


def test_the_curved_critic_damps_the_game_by_itself():
    """v = (2 a - 2 a / m, s - a^2 / m^2) at a = sqrt(s), m = 1: v' = (0, 2 a; -2 a, 2 s).

    t = 2 s, d = 4 s: s +- sqrt(s^2 - 4 s) for each axis, of positive real part: no regulariser is
    needed for the equilibrium to attract, as it was for the WGAN above.
    """
    a, m = variables(np.sqrt(VARIANCES), np.ones(3))
    matrix = game_jacobian(squared_distance_game(a, m, VARIANCES), (a, m)).data
    assert_spectrum(matrix, np.concatenate([roots(2 * s, 4 * s) for s in VARIANCES]))
    assert min(np.linalg.eigvals(matrix).real) > 0.4


def test_descent_finds_the_deviations_of_the_data():
    """Steps of h = 0.1: |1 - h lambda| is at most 0.96, for s = 1/2, and 0.96^300 = 5e-6."""
    a, m = variables([1.0, 0.5, 2.0], np.ones(3))
    for _ in range(300):
        slopes = game_field(squared_distance_game(a, m, VARIANCES), (a, m))
        for p, g in zip((a, m), slopes, strict=True):
            p.assign_(p.data - 0.1 * g.data)
    np.testing.assert_allclose(a.data, np.sqrt(VARIANCES), rtol=1e-5)
    np.testing.assert_allclose(m.data, np.ones(3), rtol=1e-5)
