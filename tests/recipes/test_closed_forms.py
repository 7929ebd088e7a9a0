"""The recipes that differentiate derivatives, against closed forms and finite differences.

The Dirac-GAN (arXiv:1801.04406, section 2): data at 0, G makes theta, D(x) = psi x. With losses
softplus(-psi 0) + softplus(psi theta) for D and softplus(-psi theta) for G, all is known by hand.
"""

import types

import numpy as np
import pytest

from tinygan import data, nn, ops, optim, random
from tinygan.autograd import Tensor, grad
from tinygan.gan import Game, fit, freeze_layers
from tinygan.metrics import frechet_distance, gaussian_statistics
from tinygan.nn import Parameter
from tinygan.recipes import consensus, dcgan, gan, unrolled


class Point(nn.Module):
    """G: the number theta, whatever z is."""

    def __init__(self, theta):
        self.theta = Parameter(np.full((1, 1), theta))

    def forward(self, z):
        return ops.broadcast_to(self.theta, (z.shape[0], 1))


class Slope(nn.Module):
    """D(x) = psi x."""

    def __init__(self, psi):
        self.psi = Parameter(np.full((1, 1), psi))

    def forward(self, x):
        return x @ self.psi


def dirac(theta, psi, lr, **config):
    G, D = Point(theta), Slope(psi)
    game = Game(G, D, optim.SGD([G.theta], lr), optim.SGD([D.psi], lr), 1)
    game.config = types.SimpleNamespace(**config)
    return game


def zeros():
    while True:
        yield np.zeros((3, 1))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_consensus_moves_the_dirac_gan_as_worked_out_by_hand():
    theta, psi, lr, gamma = 0.7, -0.4, 0.05, 3.0
    game = dirac(theta, psi, lr, gamma=gamma)
    metrics = consensus.step(game, zeros())

    def field(t, p):
        # L_G = softplus(-p t), L_D = log 2 + softplus(p t)
        return np.array([-p * sigmoid(-p * t), t * sigmoid(p * t)])

    def half_norm(t, p):
        return 0.5 * (field(t, p) ** 2).sum()

    h = 1e-6
    pull = np.array(
        [
            (half_norm(theta + h, psi) - half_norm(theta - h, psi)) / (2 * h),
            (half_norm(theta, psi + h) - half_norm(theta, psi - h)) / (2 * h),
        ]
    )
    expected = np.array([theta, psi]) - lr * (field(theta, psi) + gamma * pull)
    found = np.array([game.G.theta.item(), game.D.psi.item()])
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    assert metrics["half_norm"] == pytest.approx(half_norm(theta, psi))


def distance_after(step, game, steps):
    batches = zeros()
    for _ in range(steps):
        step(game, batches)
    return np.hypot(game.G.theta.item(), game.D.psi.item())


def test_the_dirac_gan_circles_without_consensus_and_converges_with_it():
    start = np.hypot(0.5, 0.5)
    assert distance_after(consensus.step, dirac(0.5, 0.5, 0.1, gamma=0.0), 200) > 0.5 * start
    assert distance_after(consensus.step, dirac(0.5, 0.5, 0.1, gamma=2.0), 200) < 0.01 * start


def test_unrolling_moves_the_dirac_gan_as_worked_out_by_hand():
    theta, psi, lr, eta = 0.7, -0.4, 0.05, 0.3
    game = dirac(theta, psi, lr, unrolling=1, eta=eta)
    unrolled.step(game, zeros())

    def surrogate(t):  # L_G at psi_1(t) = psi - eta dL_D/dpsi
        psi_1 = psi - eta * t * sigmoid(psi * t)
        return np.logaddexp(0, -psi_1 * t)

    h = 1e-6
    slope = (surrogate(theta + h) - surrogate(theta - h)) / (2 * h)
    assert game.G.theta.item() == pytest.approx(theta - lr * slope, rel=1e-8)
    assert game.D.psi.item() == pytest.approx(psi - lr * theta * sigmoid(psi * theta), rel=1e-12)


def tiny_game(**config):
    with random.using(random.Streams(2)):
        G = nn.Sequential(
            nn.Linear(3, 4, dtype=np.float64), nn.Tanh(), nn.Linear(4, 2, dtype=np.float64)
        )
        D = nn.Sequential(
            nn.Linear(2, 4, dtype=np.float64), nn.Tanh(), nn.Linear(4, 1, dtype=np.float64)
        )
    game = Game(G, D, optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1), 3)
    game.config = types.SimpleNamespace(**config)
    return game


def test_the_gradient_through_five_updates_of_d_is_its_finite_difference():
    game = tiny_game(unrolling=5, eta=0.4)
    real = Tensor(data.load("moons").arrays[:8].astype(np.float64))
    z = Tensor(game.latent(8).data.astype(np.float64))

    def loss():
        fake = game.G(z)
        psi = unrolled.look_ahead(game, real, fake)
        return ops.nonsaturating_g_loss(nn.functional_call(game.D, psi, fake))

    rng = np.random.default_rng(0)
    for p, g in zip(game.opt_g.params, grad(loss(), game.opt_g.params), strict=True):
        direction, start, h = rng.normal(size=p.shape), p.data.copy(), 1e-5
        values = [float((p.assign_(start + s * h * direction), loss())[1]) for s in (1, -1)]
        p.assign_(start)
        numeric = (values[0] - values[1]) / (2 * h)
        assert (g.data * direction).sum() == pytest.approx(numeric, rel=1e-6)


def test_unrolling_differs_from_treating_the_future_d_as_a_constant():
    game = tiny_game(unrolling=5, eta=0.4)
    real = Tensor(data.load("moons").arrays[:8].astype(np.float64))
    fake = game.G(game.latent(8))
    psi = unrolled.look_ahead(game, real, fake)
    through = grad(
        ops.nonsaturating_g_loss(nn.functional_call(game.D, psi, fake)),
        game.opt_g.params,
        retain_graph=True,
    )
    frozen = {name: p.detach() for name, p in psi.items()}
    around = grad(
        ops.nonsaturating_g_loss(nn.functional_call(game.D, frozen, fake)), game.opt_g.params
    )
    assert not np.allclose(through[0].data, around[0].data, rtol=0.05)


def test_layers_of_d_that_are_frozen_do_not_move_in_the_imagined_steps_either():
    game = tiny_game(unrolling=2, eta=0.4)
    freeze_layers(game, 1)
    psi = unrolled.look_ahead(game, Tensor(np.zeros((2, 2))), game.G(game.latent(2)))
    assert set(psi) == {"2.weight", "2.bias"}


def test_zero_unrolling_is_the_plain_game():
    game = tiny_game(unrolling=0, eta=0.4)
    psi = unrolled.look_ahead(game, Tensor(np.zeros((2, 2))), game.G(game.latent(2)))
    assert all(psi[name] is p for name, p in game.D.named_parameters().items())


def test_losses_at_the_start_are_those_of_an_undecided_discriminator():
    # D(x) = 1/2 everywhere: L_D = 2 log 2, L_G = log 2
    game = tiny_game(smooth=0.0)
    for p in game.D.parameters():
        p.assign_(np.zeros_like(p.data))
    real = Tensor(np.ones((4, 2)))
    assert float(gan.d_loss(game, real, game.latent(4))) == pytest.approx(2 * np.log(2))
    assert float(gan.g_loss(game, game.latent(4))) == pytest.approx(np.log(2))
    assert game.metrics == {"d_real": 0.5, "d_fake": 0.5}


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        (dcgan.RECIPE, {"ngf": 8, "ndf": 8, "nz": 8, "lr": 1e-3}),
        (gan.RECIPE, {"hidden_g": 64, "hidden_d": 32, "nz": 8, "lr": 1e-3}),
    ],
    ids=["dcgan", "gan"],
)
def test_samples_come_closer_to_the_digits(recipe, settings):
    digits = data.load("digits", size=8)
    config = recipe.config(batch=32, **settings)
    real = gaussian_statistics(digits.arrays.reshape(len(digits), -1))
    distances = []
    for game in fit(recipe, data.Batches(digits, 32, seed=0), steps=200, config=config):
        if game.step in (1, 200):
            samples = game.sample(300).reshape(300, -1)
            distances.append(frechet_distance(*gaussian_statistics(samples), *real))
    assert distances[1] < 0.7 * distances[0]
