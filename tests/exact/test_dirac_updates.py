"""The steps of training as linear maps: their eigenvalues, and the rate of runs that take them.

Near the origin one step of size h is x' = M x. dirac.py has a and b; with R1 of weight gamma,

    simultaneous   M = 1 - h (0, -a; b, gamma)
    alternating    D takes n steps, each psi <- r psi - h b theta with r = 1 - h gamma: in all
                   psi' = r^n psi - h s b theta, s = 1 + r + ... + r^(n-1); then G sees psi':
                   theta' = theta + h a psi', so M = (1 - h^2 s a b, h a r^n; -h s b, r^n)

A run converges if both eigenvalues of M are shorter than 1, and then at that rate: for a left
eigenvector w of M, |w x| falls by exactly |eigenvalue| in every step.
Source of the setting: arXiv:1801.04406, section 3.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from dirac import (
    DATA,
    LOSSES,
    ROTATING,
    Point,
    Slope,
    assert_spectrum,
    critic,
    jacobian,
    losses,
    parameters,
    roots,
)

from tinygan import optim
from tinygan.autograd import Tensor, grad
from tinygan.gan import Game, alternating, r1
from tinygan.recipes import consensus, unrolled

EACH_LOSS = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
EACH_ROTATING_LOSS = pytest.mark.parametrize("loss", ROTATING.values(), ids=ROTATING.keys())
H = 0.3


def simultaneous_matrix(loss, h, gamma=0.0):
    return np.eye(2) - h * np.array([[0, -loss.a], [loss.b, gamma]])


def alternating_matrix(loss, h, gamma=0.0, n_critic=1):
    r = 1 - h * gamma
    s = sum(r**k for k in range(n_critic))
    ab = loss.a * loss.b
    return np.array(
        [[1 - h * h * s * ab, h * loss.a * r**n_critic], [-h * s * loss.b, r**n_critic]]
    )


def weighed_r1(D, real, gamma):
    return r1(D, real, gamma_r1=gamma) if gamma else 0.0


def update(loss, theta, psi, h, gamma, n_critic):
    """Take one step on the graph; n_critic 0 means simultaneous.

    The moved psi hangs on theta, but G's slope is the one at a psi that stands still: it is taken
    in an alias of theta that psi does not know.
    """
    moved = psi
    for _ in range(max(n_critic, 1)):
        loss_d = losses(loss, theta, moved)[1] + weighed_r1(critic(moved), Tensor(DATA), gamma)
        moved = moved - h * grad(loss_d, moved, create_graph=True)
    alias = theta * 1.0
    loss_g = losses(loss, alias, moved if n_critic else psi)[0]
    return theta - h * grad(loss_g, alias, create_graph=True), moved


@EACH_LOSS
@pytest.mark.parametrize("gamma", [0.0, 0.7])
@pytest.mark.parametrize("n_critic", [0, 1, 3])
def test_the_jacobian_of_a_step_is_its_closed_form(loss, gamma, n_critic):
    theta, psi = parameters()
    matrix = jacobian(update(loss, theta, psi, H, gamma, n_critic), (theta, psi))
    expected = (
        alternating_matrix(loss, H, gamma, n_critic)
        if n_critic
        else simultaneous_matrix(loss, H, gamma)
    )
    np.testing.assert_allclose(matrix, expected, rtol=1e-13, atol=1e-15)


@EACH_ROTATING_LOSS
@pytest.mark.parametrize("h", [0.01, 0.3, 1.5])
def test_simultaneous_steps_without_a_regulariser_spiral_out_at_every_size(loss, h):
    """1 -+ i h sqrt(a b): of length sqrt(1 + h^2 a b) > 1."""
    ab = loss.a * loss.b
    theta, psi = parameters()
    matrix = jacobian(update(loss, theta, psi, h, 0.0, 0), (theta, psi))
    assert_spectrum(matrix, [1 + 1j * h * np.sqrt(ab), 1 - 1j * h * np.sqrt(ab)])
    lengths = np.abs(np.linalg.eigvals(matrix))
    np.testing.assert_allclose(lengths, np.sqrt(1 + h * h * ab), rtol=1e-12)


@EACH_ROTATING_LOSS
@pytest.mark.parametrize("n_critic", [1, 5])
def test_alternating_steps_without_a_regulariser_stay_on_their_orbit_up_to_a_size(loss, n_critic):
    """d = 1 and t = 2 - alpha^2, alpha = h sqrt(n a b): on the unit circle while alpha < 2.

    Beyond, both are real with the product 1: one is longer than 1.
    """
    for alpha, orbit in ((0.5, True), (1.9, True), (2.1, False)):
        h = alpha / np.sqrt(n_critic * loss.a * loss.b)
        theta, psi = parameters()
        matrix = jacobian(update(loss, theta, psi, h, 0.0, n_critic), (theta, psi))
        assert_spectrum(matrix, roots(2 - alpha**2, 1))
        longest = np.abs(np.linalg.eigvals(matrix)).max()
        assert longest == pytest.approx(1, rel=1e-12) if orbit else longest > 1.3


@EACH_ROTATING_LOSS
def test_r1_brings_alternating_steps_inside_the_unit_circle(loss):
    """d = r = 1 - h gamma: complex pairs have the length sqrt(1 - h gamma), fast or slow."""
    gamma = 0.5
    theta, psi = parameters()
    matrix = jacobian(update(loss, theta, psi, H, gamma, 1), (theta, psi))
    values = np.linalg.eigvals(matrix)
    assert abs(values[0].imag) > 0.1
    np.testing.assert_allclose(np.abs(values), np.sqrt(1 - H * gamma), rtol=1e-12)


# --- real runs: Game, SGD, and the steps that recipes are made of ---


def new_game(theta, psi, h, *, optimizer=optim.SGD, **config):
    G, D = Point(theta), Slope(psi)
    game = Game(G, D, optimizer([G.theta], h), optimizer([D.psi], h), 1)
    game.config = SimpleNamespace(**config)
    return game


def zeros():
    while True:
        yield DATA


def alternating_step(loss, gamma, n_critic):
    def d_loss(game, real, z):
        fake = game.G(z).detach()
        return loss.d(game.D(real), game.D(fake)) + weighed_r1(game.D, real, gamma)

    def g_loss(game, z):
        return loss.g(game.D(game.G(z)))

    return alternating(d_loss, g_loss, n_critic)


def simultaneous_step(loss, gamma):
    def step(game, batches):
        real = Tensor(next(batches))
        fake_logit = game.D(game.G(game.latent(2)))
        loss_d = loss.d(game.D(real), fake_logit) + weighed_r1(game.D, real, gamma)
        slopes = [grad(loss.g(fake_logit), [game.G.theta], retain_graph=True)]
        slopes += [grad(loss_d, [game.D.psi])]
        game.opt_g.step(slopes[0])
        game.opt_d.step(slopes[1])

    return step


def state(game):
    return np.array([game.G.theta.item(), game.D.psi.item()])


def measured_rate(step, game, matrix, steps):
    """Return the geometric mean of the factor by which a step scales |w x|, and |eigenvalue| of w.

    w is the left eigenvector of the eigenvalue furthest from 0; w x_n = eigenvalue^n w x_0.
    """
    values, left = np.linalg.eig(matrix.T)
    leading = np.argmax(np.abs(values))
    w, start, batches = left[:, leading], state(game), zeros()
    for _ in range(steps):
        step(game, batches)
    rate = abs((w @ state(game)) / (w @ start)) ** (1 / steps)
    return rate, abs(values[leading])


TINY = 1e-5  # terms beyond the linear ones are smaller than these by TINY^2


@EACH_LOSS
@pytest.mark.parametrize("gamma", [0.0, 0.7])
@pytest.mark.parametrize("n_critic", [0, 1, 3])
def test_a_run_contracts_at_the_length_of_its_eigenvalue(loss, gamma, n_critic):
    if n_critic:
        step = alternating_step(loss, gamma, n_critic)
        matrix = alternating_matrix(loss, H, gamma, n_critic)
    else:
        step, matrix = simultaneous_step(loss, gamma), simultaneous_matrix(loss, H, gamma)
    game = new_game(TINY, -0.4 * TINY, H)
    rate, length = measured_rate(step, game, matrix, steps=25)
    assert rate == pytest.approx(length, rel=1e-8)


def test_a_run_of_the_consensus_recipe_contracts_at_the_length_of_its_eigenvalue():
    """M = 1 - h (gamma/4, -1/2; 1/2, gamma/4): eigenvalues 1 - h gamma/4 -+ i h/2."""
    gamma = 1.2
    matrix = np.eye(2) - H * np.array([[gamma / 4, -0.5], [0.5, gamma / 4]])
    game = new_game(TINY, -0.4 * TINY, H, gamma=gamma)
    rate, length = measured_rate(consensus.step, game, matrix, steps=25)
    assert length == pytest.approx(abs(1 - H * gamma / 4 + 0.5j * H), rel=1e-12)
    assert rate == pytest.approx(length, rel=1e-8)


def test_a_run_of_the_unrolled_recipe_contracts_at_the_length_of_its_eigenvalue():
    """M = 1 - h (K eta/2, -1/2; 1/2, 0): test_dirac_gan.py has the derivation, with a b = 1/4."""
    unrolling, eta = 3, 0.2
    matrix = np.eye(2) - H * np.array([[unrolling * eta / 2, -0.5], [0.5, 0.0]])
    game = new_game(TINY, -0.4 * TINY, H, unrolling=unrolling, eta=eta)
    rate, length = measured_rate(unrolled.step, game, matrix, steps=25)
    assert rate == pytest.approx(length, rel=1e-8)


@EACH_ROTATING_LOSS
def test_weight_decay_of_a_slope_is_r1(loss):
    """Decay adds lambda psi to D's gradient; where D(x) = psi x that is R1's with gamma = lambda.

    In any other D the two differ: R1 sees the slope in x, decay the weights.
    """
    decayed, penalised = new_game(0.3, -0.2, H), new_game(0.3, -0.2, H)
    decayed.opt_d = optim.SGD([decayed.D.psi], H, weight_decay=0.7)
    batches = zeros()
    for _ in range(10):
        alternating_step(loss, 0.0, 1)(decayed, batches)
        alternating_step(loss, 0.7, 1)(penalised, batches)
    np.testing.assert_allclose(state(decayed), state(penalised), rtol=1e-12)


@EACH_ROTATING_LOSS
@pytest.mark.parametrize("momentum", [0.3, 0.8])
def test_momentum_drives_alternating_steps_off_their_orbit(loss, momentum):
    """m <- mu m + slope, x <- x - h m, for D with m and then for G with n, which sees the moved D.

    Look for runs that grow by l a step: m = b theta / (l - mu) and n = -a l psi / (l - mu), so

        (l - 1)(l - mu) psi = -h b l theta,    (l - 1)(l - mu) theta = h a l^2 psi,

    and l is a root of (l - 1)^2 (l - mu)^2 + h^2 a b l^3. At mu = 0 two roots lie on the unit
    circle (above), at mu > 0 beyond it. Source: arXiv:1807.04740, section 4, which finds that
    *negative* momentum helps; this SGD, as PyTorch's, takes none.
    """
    one, back = np.poly([1, 1]), np.poly([momentum, momentum])
    polynomial = np.polyadd(np.polymul(one, back), [H * H * loss.a * loss.b, 0, 0, 0])
    assert np.abs(np.roots(polynomial)).max() > 1 + 1e-3

    def optimizer(params, h):
        return optim.SGD(params, h, momentum=momentum)

    start = 1e-8  # runs grow: the linear terms shall still be all there is
    game, batches = new_game(start, start, H, optimizer=optimizer), zeros()
    step, run = alternating_step(loss, 0.0, 1), [start]
    for _ in range(16):
        step(game, batches)
        run.append(state(game)[0])
    # a sum of powers of the roots: each five in a row are what the polynomial makes 0
    windows = np.lib.stride_tricks.sliding_window_view(np.array(run), 5)
    np.testing.assert_allclose(windows[1:] @ polynomial[::-1] / start, np.zeros(12), atol=1e-7)


def growth(step, steps, start):
    """Return by what factor a run from (start, start) changes its distance from the origin."""
    game, batches = new_game(start, start, H), zeros()
    for _ in range(steps):
        step(game, batches)
    return np.hypot(*state(game)) / np.hypot(start, start)


@EACH_ROTATING_LOSS
def test_runs_diverge_stay_and_converge_as_their_eigenvalues_say(loss):
    assert growth(simultaneous_step(loss, 0.0), 60, start=0.05) > 1.5
    assert 0.5 < growth(alternating_step(loss, 0.0, 1), 60, start=0.05) < 2
    for step in (alternating_step(loss, 0.7, 1), simultaneous_step(loss, 0.7)):
        assert growth(step, 60, start=0.5) < 0.1


@pytest.mark.parametrize("start", [(0.0, 0.5), (1.4, 0.0)])
def test_clipping_ends_on_an_orbit_as_wide_as_the_clip(start):
    """Within |psi| <= c clipping does nothing: 1 -+ i h, the run spirals out until psi meets c.

    From psi = c the next half turn starts anew at theta = 0: the orbit is a circle of radius c, up
    to the growth of a half turn, (1 + h^2)^(pi / 2h) = 1 + pi h / 2 + ..., and steps of h.
    """
    h, c = 0.1, 1.0
    step = simultaneous_step(LOSSES["wasserstein"], 0.0)
    game, batches, radii = new_game(*start, h), zeros(), []
    for _ in range(300):
        step(game, batches)
        game.D.psi.assign_(np.clip(game.D.psi.data, -c, c))
        radii.append(np.hypot(*state(game)))
    last_turn = radii[-64:]  # 2 pi / h
    assert c - h < min(last_turn)
    assert max(last_turn) < c * (1 + h * h) ** (np.pi / h / 2) + h
