"""The Dirac-GAN's eigenvalues: each loss with each regulariser, by hand and by ``game_jacobian``.

dirac.py has the game and its symbols a, b, c. A 2 x 2 matrix has the eigenvalues
t/2 +- sqrt(t^2/4 - d) with its trace t and determinant d, so each regulariser is two numbers.
Source of the setting: arXiv:1801.04406, sections 2 to 4.
"""

import numpy as np
import pytest
from dirac import (
    DATA,
    LOSSES,
    ROTATING,
    assert_spectrum,
    critic,
    losses,
    parameters,
    roots,
)

from tinygan import gan, ops, random
from tinygan.autograd import Tensor, grad
from tinygan.gan import (
    dragan,
    game_field,
    game_jacobian,
    gradient_penalty,
    instance_noise,
    penalties,
    r1,
    r2,
)

EACH_LOSS = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
EACH_ROTATING_LOSS = pytest.mark.parametrize("loss", ROTATING.values(), ids=ROTATING.keys())


def spectrum_of(loss, penalty=None, noise=0.0):
    """Return v' at the equilibrium, by the engine; ``penalty(psi, theta)`` is added to L_D."""
    theta, psi = parameters()
    loss_g, loss_d = losses(loss, theta, psi, noise=noise)
    if penalty is not None:
        loss_d = loss_d + penalty(psi, theta)
    return game_jacobian((loss_g, loss_d), (theta, psi)).data


@EACH_LOSS
def test_where_g_is_right_the_game_rests_only_if_d_is_flat(loss):
    """v(0, psi) = (phi_g'(0) psi, 0) = (-a psi, 0): zero if psi = 0 alone."""
    for psi, expected in ((0.0, (0, 0)), (0.5, (-0.5 * loss.a, 0))):
        point = parameters(0.0, psi)
        v = game_field(losses(loss, *point), point)
        np.testing.assert_allclose([vi.item() for vi in v], expected, atol=1e-15)


@EACH_LOSS
@pytest.mark.parametrize("theta", [-2.0, 0.7])
def test_a_flat_d_stops_a_wrong_g_and_moves_itself_unless_fakes_aim_at_zero(loss, theta):
    """v(theta, 0) = (0, phi_fake'(0) theta) = (0, b theta): for b = 0 all of psi = 0 is at rest."""
    point = parameters(theta, 0.0)
    v = game_field(losses(loss, *point), point)
    np.testing.assert_allclose([vi.item() for vi in v], (0, loss.b * theta), atol=1e-15)


@EACH_LOSS
def test_without_a_regulariser_the_game_turns_around_its_equilibrium(loss):
    """t = 0, d = a b: the eigenvalues +- i sqrt(a b) lie on the imaginary axis.

    Least squares with the targets 1 and 0 has b = 0, and a nilpotent v': no turn, but no pull.
    """
    turn = 1j * np.sqrt(loss.a * loss.b)
    assert_spectrum(spectrum_of(loss), [turn, -turn])


def test_a_bias_makes_least_squares_with_targets_one_and_zero_turn_too():
    """D(x) = psi x + beta, L_D = (beta - 1)^2 / 2 + (psi theta + beta)^2 / 2: beta = 1/2 is best.

    There phi_fake' = beta = 1/2, phi_g' = beta - 1 = -1/2, and d2 L_D / dbeta2 = 2; beta couples to
    theta and psi at second order only. Eigenvalues +- i/2 and 2.
    """
    theta, psi = parameters()
    beta = Tensor(np.full((1, 1), 0.5), requires_grad=True)
    real, fake = beta + DATA @ psi, beta + theta @ psi
    loss_g, loss_d = ops.least_squares_g_loss(fake), ops.least_squares_d_loss(real, fake)
    game = (loss_g, loss_d), (theta, (psi, beta))
    assert max(abs(vi.item()) for vi in game_field(*game)) < 1e-15
    assert_spectrum(game_jacobian(*game).data, [0.5j, -0.5j, 2])


@EACH_LOSS
@pytest.mark.parametrize("gamma", [0.3, 1.5, 7.0])
def test_r1_and_r2_pull_the_game_to_its_equilibrium(loss, gamma):
    """The slope of D is psi everywhere: R1 = R2 = gamma psi^2 / 2 adds gamma to dv_psi/dpsi.

    t = gamma, d = a b: gamma/2 +- sqrt(gamma^2/4 - a b), of positive real part if a b > 0.
    """
    expected = roots(gamma, loss.a * loss.b)
    fake = Tensor(DATA)
    assert_spectrum(
        spectrum_of(loss, lambda psi, _: r1(critic(psi), Tensor(DATA), gamma_r1=gamma)), expected
    )
    assert_spectrum(
        spectrum_of(loss, lambda psi, _: r2(critic(psi), fake, gamma_r2=gamma)), expected
    )


@EACH_ROTATING_LOSS
def test_r1_damps_fastest_at_twice_the_speed_of_rotation(loss):
    """The slower eigenvalue has real part gamma/2 up to gamma = 2 sqrt(a b), less beyond.

    There both are gamma/2. A double root is known to sqrt(eps) only, so compare t and d instead.
    """
    critical = 2 * np.sqrt(loss.a * loss.b)

    def damped(gamma):
        return spectrum_of(loss, lambda psi, _: r1(critic(psi), Tensor(DATA), gamma_r1=gamma))

    matrix = damped(critical)
    assert np.trace(matrix) == pytest.approx(critical, rel=1e-14)
    assert np.trace(matrix) ** 2 == pytest.approx(4 * np.linalg.det(matrix), rel=1e-14)
    for gamma in (0.5 * critical, 2 * critical):
        assert min(np.linalg.eigvals(damped(gamma)).real) < 0.6 * critical / 2


@EACH_LOSS
@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_instance_noise_pulls_where_the_losses_are_curved(loss, sigma):
    """L_D = E phi_real(psi e) + E phi_fake(psi (theta + e')) has dv_psi/dpsi = sigma^2 c at 0.

    t = sigma^2 c, d = a b. Logistic: sigma^2/4 +- sqrt(sigma^4/16 - 1/4). The Wasserstein and hinge
    losses are straight at 0, c = 0: noise changes nothing.
    """
    expected = roots(sigma**2 * loss.c, loss.a * loss.b)
    assert_spectrum(spectrum_of(loss, noise=sigma), expected)


@EACH_LOSS
@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_drawn_instance_noise_pulls_with_its_mean_squares(loss, sigma):
    """Given the draws e (reals) and e' (fakes), dv_psi/dpsi at 0 is

        phi_real''(0) mean e^2 + phi_fake''(0) mean e'^2,

    and a and b stay: dv_psi/dtheta is phi_fake'(0) for any e'. Both phi'' are c / 2 here, and both
    means are near sigma^2: over n draws their relative deviation is sqrt(2 / n).
    """
    n = 4096
    zero = Tensor(np.zeros((n, 1)))
    with random.using(random.Streams(3)):
        e = [instance_noise(zero, std=sigma).data for _ in range(2)]
    theta, psi = parameters()
    with random.using(random.Streams(3)):
        real = instance_noise(zero, std=sigma)
        fake = instance_noise(ops.broadcast_to(theta, (n, 1)), std=sigma)
    D = critic(psi)
    game = (loss.g(D(fake)), loss.d(D(real), D(fake))), (theta, psi)
    pull = loss.c / 2 * sum((noise**2).mean() for noise in e)
    np.testing.assert_allclose(
        game_jacobian(*game).data, [[0, -loss.a], [loss.b, pull]], rtol=1e-12, atol=1e-14
    )
    assert pull == pytest.approx(sigma**2 * loss.c, rel=5 * np.sqrt(2 / n))


@EACH_LOSS
@pytest.mark.parametrize("psi", [-3.0, 0.4])
def test_spectral_norm_leaves_d_its_sign_and_the_game_no_rest(loss, psi):
    """sigma of the 1 x 1 matrix psi is |psi|: D(x) = sign(psi) x, whose slope in psi is 0.

    So D never moves, and never becomes flat: at theta = 0, v = (-a sign(psi), 0), and G leaves.
    """
    point = parameters(0.0, psi)
    normalised = ops.spectral_norm(point[1], *ops.power_iteration(point[1], np.ones(1)))
    v = game_field(losses(loss, point[0], normalised), point)
    np.testing.assert_allclose(
        [vi.item() for vi in v], (-loss.a * np.sign(psi), 0), rtol=1e-14, atol=1e-15
    )


@EACH_LOSS
@pytest.mark.parametrize("gamma", [0.2, 3.0])
def test_consensus_pulls_with_the_square_of_the_speed_of_rotation(loss, gamma):
    """v + gamma grad |v|^2/2 = v + gamma v'^T v has v' + gamma v'^T v' where v = 0.

    It is the field of the game whose players both descend gamma |v|^2/2 besides their losses.
    With v' = (0, -a; b, 0): (gamma b^2, -a; b, gamma a^2), t = gamma (a^2 + b^2) and
    d = gamma^2 a^2 b^2 + a b. For a = b: gamma a^2 +- i a. Source: arXiv:1705.10461.
    """
    theta, psi = parameters()
    loss_g, loss_d = losses(loss, theta, psi)
    v = game_field((loss_g, loss_d), (theta, psi), create_graph=True)
    pull = 0.5 * gamma * sum(ops.sum(ops.square(vi)) for vi in v)
    matrix = game_jacobian((loss_g + pull, loss_d + pull), (theta, psi)).data
    a, b = loss.a, loss.b
    assert_spectrum(matrix, roots(gamma * (a * a + b * b), (gamma * a * b) ** 2 + a * b))
    if a == b:
        assert_spectrum(matrix, [gamma * a * a + 1j * a, gamma * a * a - 1j * a])


@EACH_LOSS
@pytest.mark.parametrize(("unrolling", "eta"), [(1, 0.3), (5, 0.15)])
def test_unrolling_pulls_with_the_number_of_steps_ahead(loss, unrolling, eta):
    """psi_K = psi - K eta b theta to first order, so dL_G/dtheta = -a psi + 2 K eta a b theta.

    t = 2 K eta a b, d = a b: K eta a b +- sqrt((K eta a b)^2 - a b). The factor 2 is the gradient
    through the updates: with psi_K held constant it would be 1. Source: arXiv:1611.02163.
    """
    theta, psi = parameters()
    ahead = psi
    for _ in range(unrolling):
        ahead = ahead - eta * grad(losses(loss, theta, ahead)[1], ahead, create_graph=True)
    game = losses(loss, theta, ahead)[0], losses(loss, theta, psi)[1]
    matrix = game_jacobian(game, (theta, psi)).data
    drag = 2 * unrolling * eta * loss.a * loss.b
    assert_spectrum(matrix, roots(drag, loss.a * loss.b))


@EACH_LOSS
@pytest.mark.parametrize("penalty", ["wgan-gp", "dragan"])
def test_a_penalty_centred_at_one_repels_from_the_equilibrium(loss, penalty):
    """lambda (|psi| - 1)^2 has a kink and a local maximum at psi = 0, where D must end.

    The engine rounds the kink, |psi| = sqrt(psi^2 + 1e-12): the second derivative at 0 is
    2 lambda (1 - 1/sqrt(1e-12)) = -2 lambda (10^6 - 1). t is that, d = a b: an eigenvalue of
    negative real part, so v points away (arXiv:1801.04406: WGAN-GP does not converge).
    """
    weight, alpha = 10.0, np.full(2, 0.5)

    def centred(psi, theta):
        D, x = critic(psi), Tensor(DATA)
        if penalty == "dragan":
            return weight * dragan(D, x, noise=np.ones((2, 1)), alpha=alpha)
        return weight * gradient_penalty(D, x, x, alpha=alpha)

    matrix = spectrum_of(loss, centred)
    np.testing.assert_allclose(
        matrix, [[0, -loss.a], [loss.b, -2 * weight * (1e6 - 1)]], rtol=1e-10
    )
    repelled, other = np.sort(np.linalg.eigvals(matrix).real)
    assert repelled == pytest.approx(-2 * weight * (1e6 - 1), rel=1e-10)
    assert other <= 0  # a b / repelled: the other direction is pushed away, hardly


@EACH_ROTATING_LOSS
def test_a_slower_generator_turns_slower_and_is_damped_as_much(loss):
    """Two time scales (arXiv:1706.08500): (s v_theta, v_psi) with R1 has t = gamma, d = s a b."""
    gamma, scale = 0.4, 0.25
    theta, psi = parameters()
    loss_g, loss_d = losses(loss, theta, psi)
    loss_d = loss_d + r1(critic(psi), Tensor(DATA), gamma_r1=gamma)
    matrix = game_jacobian((scale * loss_g, loss_d), (theta, psi)).data
    assert_spectrum(matrix, roots(gamma, scale * loss.a * loss.b))


def test_every_penalty_of_the_library_is_in_this_file():
    """Whoever adds a penalty or a perturbation of D's samples derives its eigenvalues here."""
    public = {name for name in gan.__all__ if hasattr(penalties, name)} | {"instance_noise"}
    assert public == {"dragan", "gradient_penalty", "instance_noise", "r1", "r2"}
