"""The field of a game and its Jacobian, against games whose Jacobian is known by hand."""

import numpy as np
import pytest

from tinygan import Tensor, grad, nn, ops
from tinygan.errors import DtypeError, OptionError, ShapeError
from tinygan.gan import game_field, game_jacobian, game_jvp, game_vjp

RNG = np.random.default_rng(0)


def leaf(value):
    return Tensor(np.asarray(value, np.float64), requires_grad=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_bilinear_game_turns():
    theta, phi = leaf(0.5), leaf(2.0)
    losses = theta * phi, -(theta * phi)
    v = game_field(losses, (theta, phi))
    assert [float(t) for t in v] == [2.0, -0.5]
    jacobian = game_jacobian(losses, (theta, phi)).data
    np.testing.assert_array_equal(jacobian, [[0, 1], [-1, 0]])
    np.testing.assert_allclose(np.linalg.eigvals(jacobian), [1j, -1j])
    u = Tensor(np.array(3.0)), Tensor(np.array(7.0))
    assert [float(t) for t in game_jvp(losses, (theta, phi), u)] == [7.0, -3.0]
    assert [float(t) for t in game_vjp(losses, (theta, phi), u)] == [-7.0, 3.0]


def quadratic(n=3, m=2):
    """L_theta = theta' A theta / 2 + theta' B phi, L_phi = phi' C phi / 2 + phi' D theta."""
    a, b, c, d = (RNG.normal(size=s) for s in [(n, n), (n, m), (m, m), (m, n)])
    theta, phi = leaf(RNG.normal(size=n)), leaf(RNG.normal(size=m))
    loss_theta = 0.5 * (theta * (Tensor(a) @ theta)).sum() + (theta * (Tensor(b) @ phi)).sum()
    loss_phi = 0.5 * (phi * (Tensor(c) @ phi)).sum() + (phi * (Tensor(d) @ theta)).sum()
    jacobian = np.block([[(a + a.T) / 2, b], [d, (c + c.T) / 2]])
    return (loss_theta, loss_phi), (theta, phi), jacobian


def test_a_quadratic_game_has_the_jacobian_of_its_matrices():
    losses, players, expected = quadratic()
    np.testing.assert_allclose(game_jacobian(losses, players).data, expected, rtol=1e-13)
    at = np.concatenate([p.data for p in players])
    v = np.concatenate([t.data for t in game_field(losses, players)])
    np.testing.assert_allclose(v, expected @ at, rtol=1e-13)
    u, w = RNG.normal(size=(2, 5))
    moved = game_jvp(losses, players, [Tensor(u[:3]), Tensor(u[3:])])
    pulled = game_vjp(losses, players, [Tensor(w[:3]), Tensor(w[3:])])
    np.testing.assert_allclose(np.concatenate([t.data for t in moved]), expected @ u, rtol=1e-13)
    np.testing.assert_allclose(np.concatenate([t.data for t in pulled]), expected.T @ w, rtol=1e-13)


def test_the_dirac_gan_has_the_jacobian_of_its_paper():
    # arXiv:1801.04406, lemma 2.2, with L_G = -L_D; f(t) = -log(1 + exp(-t)), D(x) = psi x
    theta, psi = 0.7, -0.4
    t, p = leaf(theta), leaf(psi)
    value = -ops.softplus(-p * t)
    jacobian = game_jacobian((value, -value), (t, p)).data
    slope, bend = sigmoid(-theta * psi), -sigmoid(theta * psi) * sigmoid(-theta * psi)
    mixed = slope + bend * theta * psi
    np.testing.assert_allclose(
        jacobian, [[bend * psi**2, mixed], [-mixed, -bend * theta**2]], rtol=1e-13
    )


def network_game():
    theta = [leaf(RNG.normal(size=(2, 3))), leaf(RNG.normal(size=3))]
    phi = [leaf(RNG.normal(size=(3, 4))), leaf(RNG.normal(size=(4, 1)))]
    z, real = Tensor(RNG.normal(size=(5, 2))), Tensor(RNG.normal(size=(5, 3)))

    def losses():
        def critic(x):
            return ops.tanh(x @ phi[0]) @ phi[1]

        fake = critic(ops.tanh(z @ theta[0]) + theta[1])
        return ops.nonsaturating_g_loss(fake), ops.logistic_d_loss(critic(real), fake)

    return losses, (theta, phi)


def test_products_agree_with_differences_of_the_field():
    losses, players = network_game()
    flat = [*players[0], *players[1]]
    u = [RNG.normal(size=p.shape) for p in flat]
    moved = game_jvp(losses(), players, [Tensor(t) for t in u])
    starts, h, fields = [p.data for p in flat], 1e-5, []
    for sign in (1, -1):
        for p, start, t in zip(flat, starts, u, strict=True):
            p.assign_(start + sign * h * t)
        fields.append(game_field(losses(), players))
    for found, ahead, behind in zip(moved, *fields, strict=True):
        expected = (ahead.data - behind.data) / (2 * h)
        np.testing.assert_allclose(found.data, expected, rtol=1e-6, atol=1e-9)


def test_products_and_matrix_agree_and_the_graph_is_kept():
    losses, players = network_game()
    game = losses()
    flat = [*players[0], *players[1]]
    matrix = game_jacobian(game, players).data
    assert np.abs(matrix - matrix.T).max() > 1e-3  # a game, not a Hessian
    u = [RNG.normal(size=p.shape) for p in flat]
    line = np.concatenate([t.ravel() for t in u])
    for product, expected in ((game_jvp, matrix @ line), (game_vjp, matrix.T @ line)):
        found = product(game, players, [Tensor(t) for t in u])
        joined = np.concatenate([t.data.ravel() for t in found])
        np.testing.assert_allclose(joined, expected, rtol=1e-10, atol=1e-12)


def test_vjp_at_the_field_itself_is_the_pull_of_consensus_optimisation():
    losses, players = network_game()
    game, flat = losses(), [*players[0], *players[1]]
    v = game_field(game, players, create_graph=True)
    half_norm = 0.5 * sum(((t * t).sum() for t in v[1:]), start=(v[0] * v[0]).sum())
    expected = grad(half_norm, flat, retain_graph=True)
    for a, b in zip(game_vjp(game, players, [t.detach() for t in v]), expected, strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-11, atol=1e-13)


def test_a_jacobian_can_be_differentiated():
    theta, phi = leaf(0.5), leaf(2.0)
    losses = theta * theta * phi, -(theta * phi)
    jacobian = game_jacobian(losses, (theta, phi), create_graph=True)  # [[2 phi, 2 theta], ...]
    np.testing.assert_allclose([float(g) for g in grad(jacobian.sum(), (theta, phi))], [2, 2])


def test_one_player_has_a_hessian():
    x = leaf(RNG.normal(size=3))
    jacobian = game_jacobian([ops.sum(ops.exp(x))], [x]).data
    np.testing.assert_allclose(jacobian, np.diag(np.exp(x.data)), rtol=1e-14)


def test_misfits_are_named():
    losses, players, _ = quadratic()
    with pytest.raises(ShapeError, match="2 losses for 1 players"):
        game_field(losses, players[:1])
    with pytest.raises(ShapeError, match=r"game_jvp: parameters are \[\(3,\), \(2,\)\]"):
        game_jvp(losses, players, [Tensor(np.ones(3))])
    with pytest.raises(DtypeError, match="game_vjp: a parameter is float64"):
        game_vjp(losses, players, [Tensor(np.ones(n, np.float32)) for n in (3, 2)])
    G = nn.Linear(3, 2)
    for product in (game_jvp, game_vjp):
        with pytest.raises(OptionError, match=r"Linear.parameters\(\) fits, not the Linear"):
            product(losses, (G, players[1]), [Tensor(np.ones(3))])
