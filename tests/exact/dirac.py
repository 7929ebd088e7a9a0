"""The Dirac-GAN (arXiv:1801.04406, section 2): all of a GAN's dynamics in two numbers.

Data lie at 0, G makes theta whatever z is, D(x) = psi x. What a sample's logit l costs is phi_real
and phi_fake for D and phi_g for G:

    L_D = phi_real(psi 0) + phi_fake(psi theta),   L_G = phi_g(psi theta)
    v = (dL_G/dtheta, dL_D/dpsi) = (phi_g'(psi theta) psi,  phi_fake'(psi theta) theta)

v vanishes at theta = psi = 0 (and, for the losses below, nowhere else unless phi_fake'(0) = 0: then
at every theta with psi = 0). There

    v' = (0, -a; b, 0),   a = -phi_g'(0),   b = phi_fake'(0),   eigenvalues +- i sqrt(a b).

Gradient flow x' = -v converges where all eigenvalues of v' have positive real parts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tinygan import nn, ops
from tinygan.autograd import Tensor, grad
from tinygan.nn import Parameter

DATA = np.zeros((2, 1))  # two samples, so that means are means


@dataclass(frozen=True)
class Loss:
    """A pair of losses, and what is known of them by hand.

    Attributes:
        d: L_D(real logits, fake logits).
        g: L_G(fake logits).
        a: -phi_g'(0).
        b: phi_fake'(0).
        c: phi_real''(0) + phi_fake''(0).
    """

    d: Callable
    g: Callable
    a: float
    b: float
    c: float


def _coded_d(real, fake):
    """Least squares with the targets +-1."""
    return ops.gan_loss(real, kind="least_squares", target=1.0) + ops.gan_loss(
        fake, kind="least_squares", target=-1.0
    )


def _coded_g(fake):
    return ops.gan_loss(fake, kind="least_squares", target=1.0)


# softplus'(0) = 1/2, softplus''(0) = 1/4; the hinge's kinks lie at +-1
LOSSES = {
    "saturating": Loss(ops.logistic_d_loss, ops.saturating_g_loss, 0.5, 0.5, 0.5),
    "non-saturating": Loss(ops.logistic_d_loss, ops.nonsaturating_g_loss, 0.5, 0.5, 0.5),
    "wasserstein": Loss(ops.wasserstein_d_loss, ops.wasserstein_g_loss, 1.0, 1.0, 0.0),
    "hinge": Loss(ops.hinge_d_loss, ops.hinge_g_loss, 1.0, 1.0, 0.0),
    "least squares, +-1": Loss(_coded_d, _coded_g, 1.0, 1.0, 2.0),
    # with targets 1 and 0, L_D looks for D = 1/2, which a slope alone cannot be: phi_fake'(0) = 0
    "least squares, 1 and 0": Loss(
        ops.least_squares_d_loss, ops.least_squares_g_loss, 1.0, 0.0, 2.0
    ),
}
# one-sided label smoothing moves phi_real' alone, and that is multiplied by data at 0: a, b, c stay
SMOOTHED = {
    "non-saturating, reals aim at 0.9": Loss(
        partial(ops.logistic_d_loss, smooth=0.1), ops.nonsaturating_g_loss, 0.5, 0.5, 0.5
    ),
    "least squares, 0.9 and 0": Loss(
        partial(ops.least_squares_d_loss, smooth=0.1), ops.least_squares_g_loss, 1.0, 0.0, 2.0
    ),
}
LOSSES.update(SMOOTHED)
ROTATING = {name: loss for name, loss in LOSSES.items() if loss.b}


class Point(nn.Module):
    """G: the number theta, whatever z is."""

    def __init__(self, theta=0.0):
        self.theta = Parameter(np.full((1, 1), theta))

    def forward(self, z):
        return ops.broadcast_to(self.theta, (z.shape[0], 1))


class Slope(nn.Module):
    """D(x) = psi x."""

    def __init__(self, psi=0.0):
        self.psi = Parameter(np.full((1, 1), psi))

    def forward(self, x):
        return x @ self.psi


def critic(psi):
    """D as a function of its input, at a psi that may hang on a graph."""
    return lambda x: x @ psi


def losses(loss, theta, psi, *, noise=0.0):
    """Return L_G and L_D on the graph of theta and psi, both (1, 1).

    ``noise`` moves both samples of each kind apart, to +-noise: the two-point distribution whose
    mean and variance are those of N(0, noise^2), and at psi = 0 no other moment counts.
    """
    spread = Tensor(np.array([[-noise], [noise]]))
    real, fake = spread + DATA, spread + ops.broadcast_to(theta, (2, 1))
    D = critic(psi)
    return loss.g(D(fake)), loss.d(D(real), D(fake))


def parameters(theta=0.0, psi=0.0):
    return (
        Tensor(np.full((1, 1), theta), requires_grad=True),
        Tensor(np.full((1, 1), psi), requires_grad=True),
    )


def jacobian(outputs, inputs):
    """Differentiate numbers on a graph by numbers: a row an output."""
    rows = [grad(ops.sum(y), inputs, retain_graph=True) for y in outputs]
    return np.array([[g.item() for g in row] for row in rows])


def ordered(eigenvalues):
    """Sort by imaginary, then real part: conjugate pairs and real pairs line up with any other."""
    rounded = np.round(np.asarray(eigenvalues, dtype=complex), 9)
    return np.asarray(eigenvalues, dtype=complex)[np.lexsort((rounded.real, rounded.imag))]


def assert_spectrum(matrix, expected, atol=1e-10):
    np.testing.assert_allclose(
        ordered(np.linalg.eigvals(matrix)), ordered(expected), rtol=0, atol=atol
    )


def roots(trace, determinant):
    """Return the eigenvalues of a 2 x 2 matrix."""
    half = trace / 2
    spread = np.sqrt(complex(half * half - determinant))
    return np.array([half - spread, half + spread])
