"""The Jacobian of a game seen through products alone, against games that are known by hand."""

from dataclasses import dataclass

import numpy as np
import pytest

from tinygan import nn, ops, optim, random
from tinygan.autograd import no_grad
from tinygan.errors import OptionError, ShapeError
from tinygan.gan import (
    Game,
    Recipe,
    alternating,
    arnoldi,
    field_at,
    new_game,
    path_angles,
    rotation_share,
)
from tinygan.gan.spectrum import parameters_of, set_parameters
from tinygan.nn import Parameter
from tinygan.recipes import get

RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Nothing:
    """Settings of a game without any."""


class Point(nn.Module):
    def __init__(self, theta):
        self.theta = Parameter(np.full((1, 1), theta))

    def forward(self, z):
        return ops.broadcast_to(self.theta, (z.shape[0], 1))


class Slope(nn.Module):
    def __init__(self, psi):
        self.psi = Parameter(np.full((1, 1), psi))

    def forward(self, x):
        return x @ self.psi


def dirac(theta, psi, *, r1=0.0, d=ops.logistic_d_loss, g=ops.saturating_g_loss, cut=True):
    """Return a Dirac-GAN (arXiv:1801.04406, section 2) with its point of view."""

    def d_loss(game, real, z):
        if cut:
            fake = game.fake(z).detach()
        else:
            with no_grad():
                fake = game.G(z)
        loss = d(game.D(real), game.D(fake))
        return loss + 0.5 * r1 * ops.sum(ops.square(game.D.psi)) if r1 else loss

    def g_loss(game, z):
        return g(game.D(game.fake(z)))

    def setup(config, shape):
        G, D = Point(theta), Slope(psi)
        return Game(G, D, optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1), 1)

    recipe = Recipe("dirac", "", setup, alternating(d_loss, g_loss), Nothing)
    return field_at(recipe, new_game(recipe, (1,)), np.zeros((2, 1)))


def matrix(product, size):
    return np.stack([product(row) for row in np.eye(size)], axis=1)


def ordered(values):
    return np.sort_complex(np.round(values, 10))


@pytest.mark.parametrize("cut", [True, False])
def test_the_dirac_gan_turns_at_its_equilibrium(cut):
    # lemma 2.2: eigenvalues +- i f'(0), f'(0) = 1/2 for the logistic loss
    at = dirac(0.0, 0.0, cut=cut)
    np.testing.assert_allclose(matrix(at.jvp, 2), [[0, -0.5], [0.5, 0]], atol=1e-15)
    found = arnoldi(at.jvp, 2, k=5).values
    np.testing.assert_allclose(ordered(found), [-0.5j, 0.5j], atol=1e-12)
    assert rotation_share(at) == 1.0


def test_a_gradient_penalty_makes_the_dirac_gan_attract():
    # theorem 4.1: gamma / 2 +- sqrt(gamma^2 / 4 - f'(0)^2)
    for gamma in (0.4, 1.7):
        found = arnoldi(dirac(0.0, 0.0, r1=gamma).jvp, 2, k=2).values
        root = np.sqrt(complex(gamma**2 / 4 - 0.25))
        np.testing.assert_allclose(
            ordered(found), ordered([gamma / 2 - root, gamma / 2 + root]), atol=1e-9
        )
    # J = (0, -1/2; 1/2, gamma): ||A||^2 = 1/2, ||S||^2 = gamma^2; 4 probes estimate it
    share = rotation_share(dirac(0.0, 0.0, r1=1.0), probes=400)
    assert share == pytest.approx(0.5 / 1.5, abs=0.06)  # 400 probes: a standard error of 0.02


def test_away_from_the_equilibrium_the_dirac_gan_has_the_jacobian_of_its_paper():
    theta, psi = 0.7, -0.4
    t = theta * psi
    s = 1 / (1 + np.exp(-t))  # of L_G = -log(1 + e^t) and L_D = log 2 + log(1 + e^t)
    at = dirac(theta, psi)
    np.testing.assert_allclose(at.v, [-s * psi, s * theta], rtol=1e-12)
    bend = s * (1 - s)
    mixed = s + bend * t
    expected = [[-bend * psi**2, -mixed], [mixed, bend * theta**2]]
    np.testing.assert_allclose(matrix(at.jvp, 2), expected, rtol=1e-12)
    np.testing.assert_allclose(matrix(at.vjp, 2), np.transpose(expected), rtol=1e-12)


def test_the_bilinear_game_is_rotation_alone():
    at = dirac(0.3, 0.2, d=ops.wasserstein_d_loss, g=ops.wasserstein_g_loss)
    np.testing.assert_allclose(matrix(at.jvp, 2), [[0, -1], [1, 0]], atol=1e-15)
    assert rotation_share(at) == 1.0


@pytest.mark.parametrize(("name", "shape"), [("gan", (2,)), ("dcgan", (1, 8, 8))])
def test_the_products_of_a_recipe_agree_with_differences_of_its_field(name, shape):
    recipe = get(name)
    more = {"hidden_g": 5, "hidden_d": 5, "layers": 2} if name == "gan" else {"ngf": 2, "ndf": 2}
    with random.using(random.Streams(1)):
        game = new_game(recipe, shape, seed=1, config=recipe.config(nz=3, **more))
    real = RNG.normal(size=(8, *shape)).astype(np.float32)
    at, w = field_at(recipe, game, real), parameters_of(game)
    u = RNG.normal(size=w.size)
    u /= np.linalg.norm(u)
    product, other = at.jvp(u), RNG.normal(size=w.size)
    assert at.vjp(other) @ u == pytest.approx(other @ product, rel=1e-3, abs=1e-4)
    h, sides = 3e-4, []
    for sign in (1, -1):
        set_parameters(game, w + sign * h * u)
        sides.append(field_at(recipe, game, real).v)
    set_parameters(game, w)
    slope = (sides[0] - sides[1]) / (2 * h)
    # float32 fields: rounding of 1e-7 |v| / h is 1e-3 of the slope here; a larger h crosses kinks
    assert np.linalg.norm(product - slope) < 0.01 * np.linalg.norm(slope)


def test_looking_leaves_the_game_as_it_was():
    recipe = get("dcgan")
    game = new_game(recipe, (1, 8, 8), config=recipe.config(nz=3, ngf=2, ndf=2))
    before, generator, streams = game.state()[0], game.G, game.streams
    field_at(recipe, game, np.zeros((4, 1, 8, 8), np.float32))
    after = game.state()[0]
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert game.G is generator
    assert game.streams is streams


def test_a_step_of_its_own_has_no_pair_of_losses():
    recipe = get("consensus")
    game = new_game(recipe, (2,))
    with pytest.raises(OptionError, match="consensus has a step of its own"):
        field_at(recipe, game, np.zeros((4, 2), np.float32))


def test_a_generator_that_sees_the_reals_is_refused():
    recipe = get("relativistic")
    with random.using(random.Streams(0)):
        game = new_game(recipe, (2,), seed=0, config=recipe.config(nz=3, hidden=5))
    with pytest.raises(OptionError, match="sees the reals"):
        field_at(recipe, game, RNG.normal(size=(4, 2)).astype(np.float32))


def test_arnoldi_finds_all_eigenvalues_of_a_small_matrix():
    a = RNG.normal(size=(7, 7))
    found = arnoldi(lambda u: a @ u, 7, k=20)
    np.testing.assert_allclose(ordered(found.values), ordered(np.linalg.eigvals(a)), atol=1e-8)
    assert np.all(np.diff(np.abs(found.values)) <= 1e-12)
    assert found.residuals.max() < 1e-8


def test_arnoldi_finds_the_leading_ones_of_a_large_matrix_and_bounds_their_error():
    inner = np.concatenate([[9.0, -8.0], RNG.uniform(-1, 1, size=198)])
    q = np.linalg.qr(RNG.normal(size=(200, 200)))[0]
    a = q @ np.diag(inner) @ q.T  # symmetric: an eigenvalue lies within the residual
    found = arnoldi(lambda u: a @ u, 200, k=12)
    np.testing.assert_allclose(found.values[:2], [9.0, -8.0], atol=1e-6)
    for value, residual in zip(found.values, found.residuals, strict=True):
        assert np.abs(inner - value).min() <= residual + 1e-10


def test_arnoldi_stops_in_an_invariant_space():
    found = arnoldi(lambda u: 3.0 * u, 50, k=10)
    np.testing.assert_allclose(found.values, [3.0])
    assert found.residuals[0] == 0.0
    assert arnoldi(lambda u: 0.0 * u, 4).values.tolist() == [0.0]


def test_the_path_angle_changes_sign_where_the_end_attracts_and_bumps_where_it_turns():
    start, end, alphas = np.array([2.0, 0.0]), np.zeros(2), [0.5, 0.9, 1.1, 1.5]
    cosines, norms = path_angles(lambda w: w, start, end, alphas)
    np.testing.assert_allclose(cosines, [1, 1, -1, -1])
    np.testing.assert_allclose(norms, [1.0, 0.2, 0.2, 1.0])
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    np.testing.assert_allclose(path_angles(lambda w: turn @ w, start, end, alphas)[0], 0.0)
    assert np.isnan(path_angles(lambda w: 0.0 * w, start, end, [0.5])[0][0])


def test_arguments_that_make_no_sense_are_named():
    with pytest.raises(OptionError, match="arnoldi: k=0"):
        arnoldi(lambda u: u, 3, k=0)
    with pytest.raises(ShapeError, match="a product of shape"):
        arnoldi(lambda u: u[:1], 3)
    with pytest.raises(OptionError, match="one point"):
        path_angles(lambda w: w, np.ones(2), np.ones(2), [1.0])
    with pytest.raises(ShapeError, match="differ"):
        path_angles(lambda w: w, np.ones(2), np.ones(3), [1.0])
    with pytest.raises(OptionError, match="probes=0"):
        rotation_share(dirac(0.0, 0.0), probes=0)
    with pytest.raises(ShapeError, match=r"\(2,\) fits"):
        dirac(0.0, 0.0).jvp(np.ones(3))
