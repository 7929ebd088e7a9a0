"""Extragradient, PacGAN, VEEGAN and BiGAN: their steps against games worked out by hand.

The games are of scalars: G(z) = a z (or theta, whatever z is), the encoder b x, D linear. With
losses of logits their gradients are a line each.
"""

import math
import types

import numpy as np
import pytest

from tinygan import data, nn, ops, optim, random
from tinygan.autograd import Tensor, grad
from tinygan.errors import DivergedError, OptionError
from tinygan.gan import Game, fit, new_game
from tinygan.gan.networks import MLPEncoder
from tinygan.nn import Parameter
from tinygan.recipes import RECIPES, bigan, extragradient, pacgan, veegan

X = np.array([[0.7], [-1.3], [0.4]])
Z = np.array([[0.2], [1.1], [-0.9]])
LR = 0.05


class Point(nn.Module):
    """G: the number theta, whatever z is."""

    def __init__(self, theta):
        self.theta = Parameter(np.full((1, 1), theta))

    def forward(self, z):
        return ops.broadcast_to(self.theta, (z.shape[0], 1))


class Linear(nn.Module):
    """x -> x w."""

    def __init__(self, *w):
        self.w = Parameter(np.array(w).reshape(-1, 1))

    def forward(self, x):
        return (x @ self.w).reshape(-1, 1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def endless(x):
    while True:
        yield x


def game_of(G, D, others=(), **config):
    """Make a game whose optimizers are plain descent, with the z of this file."""
    theta = [p for module in (G, *dict(others).values()) for p in module.parameters()]
    game = Game(G, D, optim.SGD(theta, LR), optim.SGD(D.parameters(), LR), 1, extra=dict(others))
    game.config = types.SimpleNamespace(**config)
    game.latent = lambda n: Tensor(np.resize(Z, (n, 1)))
    return game


def numbers(*modules):
    return np.concatenate([p.data.ravel() for m in modules for p in m.parameters()])


def test_extragradient_moves_the_wasserstein_dirac_game_by_its_known_factor():
    # data at 0: L_G = -psi theta, L_D = psi theta, so v = (-psi, theta): z = theta + i psi turns
    theta, psi = 0.7, -0.4
    game = game_of(Point(theta), Linear(psi), lambda_gp=0.0)
    game.opt_g, game.opt_d = optim.Extragradient(game.opt_g), optim.Extragradient(game.opt_d)
    for _ in range(3):
        extragradient.step(game, endless(np.zeros((2, 1))))
    found = complex(game.G.theta.item(), game.D.w.item())
    expected = (theta + 1j * psi) * (1 - LR**2 - 1j * LR) ** 3
    assert found == pytest.approx(expected, rel=1e-12)
    assert abs(found) < abs(theta + 1j * psi)


def test_extragradient_completes_its_settings_by_the_data():
    small = {"ngf": 2, "ndf": 2, "hidden": 4}
    for shape, expected in (((2,), (1e-4, 0.1, 2)), ((1, 16, 16), (5e-4, 10.0, 128))):
        recipe = extragradient.RECIPE
        done = new_game(recipe, shape, config=recipe.config(**small)).config
        assert (done.lr, done.lambda_gp, done.nz) == expected
    done = new_game(recipe, (2,), config=recipe.config(lr=1e-3, nz=5, **small)).config
    assert (done.lr, done.nz) == (1e-3, 5)


def test_extragradient_takes_a_batch_for_each_half_step():
    taken = []

    def counted():
        while True:
            taken.append(len(taken))
            yield np.full((2, 1), float(len(taken)))

    game = game_of(Point(0.3), Linear(0.2), lambda_gp=0.0)
    game.opt_g, game.opt_d = optim.Extragradient(game.opt_g), optim.Extragradient(game.opt_d)
    extragradient.step(game, counted())
    assert len(taken) == 2
    # the move of psi is by the second batch, whose data lie at 2: dL_D/dpsi = theta' - 2
    theta_half = 0.3 + LR * 0.2
    assert game.D.w.item() == pytest.approx(0.2 - LR * (theta_half - 2.0))


def test_a_step_that_diverges_between_its_halves_is_undone():
    def poisoned():
        for n in range(7):  # three steps, and the first half of a fourth
            yield np.full((4, 2), 0.1 * n, np.float32)
        while True:
            yield np.full((4, 2), np.nan, np.float32)

    config = extragradient.Config(batch=4, nz=2, hidden=4)
    games = fit(extragradient.RECIPE, poisoned(), steps=9, config=config)
    game = [next(games) for _ in range(3)][-1]
    before, more = game.state()
    with pytest.raises(DivergedError, match="step 4"):
        next(games)
    tensors, scalars = game.state()
    assert scalars == more
    assert all(np.array_equal(a, before[key]) for key, a in tensors.items())


@pytest.mark.parametrize("pack", [1, 3])
def test_pacgan_moves_a_linear_d_of_packs_as_worked_out_by_hand(pack):
    theta, psi = 0.7, np.array([-0.4, 0.9, 0.2])[:pack]
    game = game_of(Point(theta), Linear(*psi), pack=pack)
    batches = (np.full((2, 1), float(n)) for n in (1, 2, 3))  # the n-th place sees the n-th batch
    real = np.arange(1.0, pack + 1)
    pacgan.step(game, batches)

    slope = -sigmoid(-real @ psi) * real + sigmoid(theta * psi.sum()) * theta
    psi = psi - LR * slope
    theta = theta + LR * sigmoid(-theta * psi.sum()) * psi.sum()
    np.testing.assert_allclose(numbers(game.D), psi, rtol=1e-12)
    assert game.G.theta.item() == pytest.approx(theta, rel=1e-12)


def test_packs_join_images_along_channels_and_points_along_coordinates():
    images = [Tensor(np.full((2, 3, 4, 4), float(n))) for n in range(2)]
    joined = pacgan.join(images)
    assert joined.shape == (2, 6, 4, 4)
    assert [float(joined.data[1, c, 0, 0]) for c in range(6)] == [0, 0, 0, 1, 1, 1]
    assert pacgan.join([Tensor(X), Tensor(Z)]).data.tolist() == np.hstack([X, Z]).tolist()


@pytest.mark.parametrize(("shape", "inputs"), [((2,), 6), ((1, 16, 16), 3)])
def test_the_d_of_pacgan_sees_a_pack_and_its_g_makes_single_samples(shape, inputs):
    game = new_game(pacgan.RECIPE, shape, config=pacgan.Config(pack=3, ngf=2, ndf=2))
    assert game.D.parameters()[0].shape[1] == inputs
    assert game.sample(2).shape == (2, *shape)


def test_pacgans_points_start_from_the_authors_weights():
    game = new_game(pacgan.RECIPE, (2,))
    weights = [p.data for p in game.D.parameters() if p.ndim == 2]
    assert [w.shape for w in weights] == [(1000, 4), (1000, 200), (1000, 200), (1, 200)]
    assert all(w.std() == pytest.approx(0.02, rel=0.15) for w in weights)


def test_a_pack_of_nothing_is_refused():
    with pytest.raises(OptionError, match="pack 0: 1 or more"):
        new_game(pacgan.RECIPE, (2,), config=pacgan.Config(pack=0))


def d_step(a, b, p, q, noise=0.0):
    """Return D after it compared (x, b x + noise) with (a z, z), and both logits afterwards."""
    of_data, of_noise = np.hstack([X, b * X + noise]), np.hstack([a * Z, Z])
    w = np.array([[p], [q]])
    slope = -sigmoid(-of_data @ w) * of_data + sigmoid(of_noise @ w) * of_noise
    w = w - LR * slope.mean(axis=0, keepdims=True).T
    return w.ravel(), of_data @ w, of_noise @ w


def joint(name, **config):
    """Make the game of scalars with an encoder of that name."""
    G, E, D = Linear(0.8), Linear(-0.6), Linear(0.5, -0.3)
    return game_of(G, D, {name: E}.items(), **config), (G, E, D)


def test_veegan_moves_a_linear_game_as_worked_out_by_hand():
    a, b, lambda_z = 0.8, -0.6, 2.0
    game, (G, F, D) = joint("F", lambda_z=lambda_z)
    noise = game.streams.stream("reconstructor").normal(Z.shape, Z.dtype)
    game.streams.step = 0  # the same numbers again
    losses = veegan.RECIPE.step(game, endless(X))
    (p, q), _, _ = d_step(a, b, 0.5, -0.3, noise)
    np.testing.assert_allclose(numbers(D), [p, q], rtol=1e-12)
    error = Z - b * a * Z
    slope_a = -p * Z.mean() - 2 * lambda_z * (error * b * Z).mean()
    slope_b = -2 * lambda_z * (error * a * Z).mean()  # F has no other loss
    np.testing.assert_allclose(numbers(G, F), [a - LR * slope_a, b - LR * slope_b], rtol=1e-12)
    assert game.metrics["distance_z"] == pytest.approx((error**2).mean())
    assert losses["loss_g"] == pytest.approx(
        -(p * a * Z + q * Z).mean() + lambda_z * (error**2).mean()
    )


def test_the_distance_of_veegan_is_a_sum_over_the_numbers_of_z():
    game = new_game(veegan.RECIPE, (2,), config=veegan.Config(nz=3, hidden=4))
    for p in game.extra["F"].parameters():
        p.assign_(np.zeros_like(p.data))
    z = game.latent(5)
    veegan.g_loss(game, z)
    assert game.metrics["distance_z"] == pytest.approx((z.data**2).sum(axis=1).mean(), rel=1e-6)


def test_bigan_moves_a_linear_game_as_worked_out_by_hand():
    a, b = 0.8, -0.6
    game, (G, E, D) = joint("E")
    bigan.step(game, endless(X))
    (p, q), data_logit, noise_logit = d_step(a, b, 0.5, -0.3)
    np.testing.assert_allclose(numbers(D), [p, q], rtol=1e-12)
    slope_a = (-sigmoid(-noise_logit) * p * Z).mean()
    slope_b = (sigmoid(data_logit) * q * X).mean()
    np.testing.assert_allclose(numbers(G, E), [a - LR * slope_a, b - LR * slope_b], rtol=1e-12)


def test_a_stochastic_encoder_draws_from_its_mean_and_deviation():
    E = MLPEncoder((2,), 1, hidden=(3,), stochastic=True)
    for p in E.parameters():
        p.assign_(np.zeros_like(p.data))
    E.parameters()[-1].assign_(np.array([3.0, math.log(2.0)], np.float32))
    x = Tensor(np.zeros((4000, 2), np.float32))
    with random.using(random.Streams(1)):
        z = E(x)
    # four standard errors of a mean and of a deviation of 4000 draws
    assert float(z.data.mean()) == pytest.approx(3.0, abs=4 * 2 / math.sqrt(4000))
    assert float(z.data.std()) == pytest.approx(2.0, abs=4 * 2 / math.sqrt(8000))
    (slope,) = grad(ops.sum(z), [E.parameters()[-1]])
    assert slope.data[0] == pytest.approx(4000)
    assert slope.data[1] == pytest.approx(float((z.data - 3).sum()), rel=1e-3)


def test_ali_is_bigan_with_an_encoder_that_draws():
    config = bigan.Config(batch=16, hidden=8, stochastic=True)
    game = new_game(bigan.RECIPE, (2,), config=config)
    x = Tensor(np.ones((2, 2), np.float32))
    with random.using(random.Streams(1)):
        first, second = (game.extra["E"].eval()(x).data for _ in range(2))
    assert not np.array_equal(first, second)


def test_veegans_reconstructor_learns_the_inverse_of_g():
    config = veegan.Config(batch=32, hidden=16, lr=3e-3, nz=2, lambda_z=1.0)
    batches = data.Batches(data.load("ring"), 32, seed=0)
    games = fit(veegan.RECIPE, batches, steps=240, config=config)
    distances = [game.metrics["distance_z"] for game in games]
    assert np.mean(distances[-20:]) < 0.2 * distances[0]


SMALL = {
    "extragradient": {"batch": 8, "nz": 4, "hidden": 8},
    "pacgan": {"batch": 8, "hidden_g": 8, "hidden_d": 8},
    "veegan": {"batch": 8, "hidden": 8},
    "bigan": {"batch": 8, "hidden": 8},
    "ali": {"batch": 8, "hidden": 8, "stochastic": True},
}


@pytest.mark.parametrize("name", SMALL)
def test_twenty_steps_are_finite_and_the_same_bits_twice(name):
    recipe = RECIPES["bigan" if name == "ali" else name]

    def final():
        batches = data.Batches(data.load("ring"), 8, seed=5)
        config = recipe.config(**SMALL[name])
        *_, game = fit(recipe, batches, steps=20, seed=5, config=config)
        return game.state()

    (tensors, scalars), (others, more) = final(), final()
    assert scalars == more
    assert all(np.isfinite(a).all() for a in tensors.values())
    assert {key: a.tobytes() for key, a in tensors.items()} == {
        key: a.tobytes() for key, a in others.items()
    }
