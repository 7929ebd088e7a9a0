"""Traps in published reference code: each runs, looks right and computes something else."""

import numpy as np
import pytest

from errata.record import erratum
from errata.steps import constant, leaf
from tinygan import nn, ops, random
from tinygan.autograd import Tensor, grad
from tinygan.data import TOYS
from tinygan.errors import ShapeError
from tinygan.gan import game_field, game_jacobian, gradient_penalty, r1
from tinygan.random import Stream

F64 = {"dtype": np.float64}


@erratum(
    "T1",
    claim="The ring of eight Gaussians has its centres at the angles `linspace(0, 2 pi, 8)`.",
    correct="These are seven distinct centres, one with twice the mass; the angles are 2 pi k / 8.",
    sources=("arXiv:1611.02163, the demo notebook of its authors", "arXiv:1712.04086, section 4.1"),
)
def test_linspace_to_two_pi_gives_seven_modes():
    """linspace holds both ends, and 0 and 2 pi are one point of the circle. So 8 angles are 7 modes
    2 pi / 7 apart, of which the first has the mass 2/8. A count of "7 of 8 modes" is then
    full coverage. And a generator that copies these data perfectly isn't uniform over their modes:
    the KL divergence of its masses (2, 1, 1, 1, 1, 1, 1) / 8 to 1/7 each is log 7 - H = 0.04, with
    H the entropy of the masses.
    """

    def distinct(angles):
        points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return len(np.unique(points.round(9) + 0.0, axis=0))

    assert distinct(np.linspace(0, 2 * np.pi, 8)) == 7
    assert distinct(2 * np.pi * np.arange(8) / 8) == 8
    assert len(np.unique(TOYS["ring"].centres.round(9) + 0.0, axis=0)) == 8
    mass = np.array([2, 1, 1, 1, 1, 1, 1]) / 8
    assert (mass * np.log(7 * mass)).sum() == pytest.approx(0.0397, abs=1e-4)


@erratum(
    "T2",
    claim="The Jacobian of the game's field has a row for each gradient in the list of parameters.",
    correct="It has a row for each *entry* of each gradient; appended outside the inner loop, only "
    "the last entry's row of each tensor is kept.",
    sources=("arXiv:1705.10461, its authors' notebook mog-eigval-dist.ipynb",),
)
def test_a_jacobian_has_a_row_for_every_entry():
    """The field v stacks the gradients of all parameters, flattened, and J = dv / d(parameters) is
    square. With tensors of n_1, n_2, ... entries, a loop over i < n_k that appends once *after* the
    loop gives as many rows as tensors: no square matrix and no eigenvalues, except where every
    tensor is a single number, as in the Dirac-GAN, when the mistake can't be seen.

    Here theta and psi have two entries each and L_G = -L_D = theta A psi, so J = [[0, A],
    [-A^T, 0]] with the eigenvalues +- i times the singular values of A.
    """
    a = np.array([[2.0, 1.0], [0.0, 0.5]])
    theta, psi = leaf([[0.3, -0.1]]), leaf([[0.7], [0.2]])

    value = ops.sum(theta @ constant(a) @ psi)
    game = (value, -value), (theta, psi)

    def row(entry):
        return np.concatenate(
            [g.data.ravel() for g in grad(entry, [theta, psi], retain_graph=True)]
        )

    once_a_tensor, once_an_entry = [], []
    for v in game_field(*game, create_graph=True):
        for i in range(v.size):
            latest = row(v.reshape(-1)[i])
            once_an_entry.append(latest)
        once_a_tensor.append(latest)

    assert np.shape(once_a_tensor) == (2, 4)
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.eigvals(np.array(once_a_tensor))
    np.testing.assert_allclose(once_an_entry, game_jacobian(*game).data, rtol=1e-12)
    found = np.linalg.eigvals(np.array(once_an_entry))
    np.testing.assert_allclose(found.real, 0, atol=1e-12)
    singular = np.linalg.svd(a, compute_uv=False)
    np.testing.assert_allclose(sorted(abs(found.imag)), sorted([*singular, *singular]))


@erratum(
    "T3",
    claim="A WGAN-GP critic may have batch norm, and a fixed number of interpolation weights.",
    correct="The penalty is on the slope at each sample; batch norm ties the samples together, so "
    "the critic has none. The weights are as many as the batch has samples.",
    sources=("arXiv:1704.00028, section 4", "Keras-GAN, wgan_gp/wgan_gp.py at 0293a4e"),
)
def test_batch_norm_mixes_the_slopes_that_a_penalty_measures():
    """The usual code differentiates the *sum* of the logits: d/dx_i sum_j D(x)_j. If logit j
    depends on x_j alone, that is D'(x_i), the slope that the penalty means. With batch norm in
    training mode every logit depends on every sample, and the sum has N - 1 cross terms: dD_j /
    dx_i isn't 0 for j != i, and D isn't even a function of one sample. (Layer norm mixes no
    samples; the paper recommends it instead.)

    Code that draws 32 weights alpha works for batches of 32; a last batch of 20 doesn't broadcast.

    The file that has both (Keras-GAN's, as stored) also takes RMSprop at 5e-5, the optimizer of the
    clipped WGAN, where the paper of the penalty takes Adam, and reads two names, noise_shape and
    img_shape, that are never defined.
    """
    x = constant(Stream(0, "x").normal((8, 3), np.float64))

    def slopes(norm):
        with random.using(random.Streams(2)):
            D = nn.Sequential(nn.Linear(3, 6, **F64), norm(), nn.Tanh(), nn.Linear(6, 1, **F64))
        point = Tensor(x.data, requires_grad=True)
        logits = D(point)
        jacobian = np.stack(
            [grad(logits[j, 0], point, retain_graph=True).data for j in range(8)]
        )  # (j, i, 3): dD_j / dx_i
        summed = grad(ops.sum(logits), point).data
        own = jacobian[np.arange(8), np.arange(8)]
        cross = jacobian[~np.eye(8, dtype=bool)]
        return summed, own, np.abs(cross).max()

    summed, own, cross = slopes(lambda: nn.BatchNorm1d(6, **F64))
    assert cross > 0.01
    assert np.abs(summed - own).max() > 0.01
    for norm in (nn.Identity, lambda: nn.LayerNorm(6, **F64)):
        summed, own, cross = slopes(norm)
        assert cross == 0
        np.testing.assert_allclose(summed, own, rtol=1e-10)

    last = Tensor(np.zeros((20, 3)))
    with pytest.raises(ShapeError, match="one number a sample"):
        gradient_penalty(lambda v: ops.sum(v, 1), last, last, alpha=np.ones(32))


@erratum(
    "T4",
    claim="The likelihood of samples under a mixture of Gaussians is that of "
    "`norm(scale=variance)`.",
    correct="scale is the standard deviation: its square is the variance.",
    sources=("arXiv:1712.04086, its authors' code, pacgan/extensions.py",),
)
def test_a_normal_law_is_scaled_by_its_deviation_and_not_its_variance():
    """The mean log density of N(0, s^2) samples under N(0, t^2) is

        -log(t sqrt(2 pi)) - s^2 / (2 t^2),

    at its highest for t = s. With s = 0.01 and t = s^2 = 0.0001, it is 8.3 - 5000 instead of
    3.7 - 0.5 for each coordinate: true samples look impossible. For s = 1 the mistake can't be
    seen.
    """
    ring = TOYS["ring"]
    points, labels = ring.sample(4000, Stream(0, "ring"))
    offset = (points - ring.centres[labels]).astype(np.float64)

    def log_likelihood(scale):
        return (-np.log(scale * np.sqrt(2 * np.pi)) - offset**2 / (2 * scale**2)).mean()

    s = ring.sigma
    best = -np.log(s * np.sqrt(2 * np.pi)) - 0.5
    assert log_likelihood(s) == pytest.approx(best, abs=0.05)
    assert log_likelihood(s) > max(log_likelihood(0.8 * s), log_likelihood(1.25 * s))
    assert log_likelihood(s**2) == pytest.approx(8.29 - 5000, rel=0.05)


@erratum(
    "T5",
    claim="R1 with gamma = 10 is the same setting in every code base.",
    correct="The paper and StyleGAN's code take gamma / 2 times the squared slope, GAN_stability, "
    "the code of the paper's own authors, gamma times: its 10 is their 20.",
    sources=(
        "arXiv:1801.04406, equation 9, and its authors' code, gan_training/train.py",
        "arXiv:1812.04948",
    ),
)
def test_r1_has_a_half_in_the_paper_and_none_in_its_code():
    """R1 = gamma/2 E ||grad D(x)||^2, so that the pull on a linear D(x) = w x is gamma w, with no
    factor: d/dw (gamma/2 w^2). Without the half it is 2 gamma w. To move a setting from one code to
    the other, double or halve gamma.
    """
    x = constant(Stream(0, "x").normal((16, 3), np.float64))
    w = leaf([[0.5], [-2.0], [1.0]])

    def penalty(gamma):
        return r1(lambda v: v @ w, x, gamma_r1=gamma)

    without_half = 10.0 * float(ops.sum(ops.square(w)))
    assert float(penalty(10.0)) == pytest.approx(without_half / 2)
    assert float(penalty(20.0)) == pytest.approx(without_half)
    np.testing.assert_allclose(grad(penalty(10.0), w).data, 10.0 * w.data)


@erratum(
    "T6",
    claim="`BatchNorm2d(128, 0.8)` is batch norm with momentum 0.8.",
    correct="PyTorch's second argument is eps; and Keras's momentum 0.8, the share of the old "
    "value, is PyTorch's 0.2, the share of the new one.",
    sources=("arXiv:1502.03167", "PyTorch-GAN, found in many of its files"),
)
def test_the_second_argument_of_batch_norm_is_eps():
    """y = (x - mean) / sqrt(var + eps): with eps = 0.8 a channel of variance v comes out with the
    variance v / (v + 0.8). For a channel of small activations, v = 0.01, that is 1/81: the layer
    doesn't normalise. So hyper-parameters are keywords here, and the call raises.

    Running statistics: Keras keeps 0.8 old + 0.2 new, PyTorch's momentum m is that of the new:
    (1 - m) old + m new.
    """
    x = constant(0.1 * Stream(0, "x").normal((64, 2, 8, 8), np.float64) + 3.0)
    v = x.data.var(axis=(0, 2, 3))
    with pytest.raises(TypeError):
        nn.BatchNorm2d(2, 0.8)
    slack = nn.BatchNorm2d(2, eps=0.8, **F64)(x).data.var(axis=(0, 2, 3))
    np.testing.assert_allclose(slack, v / (v + 0.8))
    assert slack.max() < 1 / 70

    norm = nn.BatchNorm2d(2, momentum=0.2, **F64)
    np.testing.assert_allclose(norm(x).data.var(axis=(0, 2, 3)), 1.0, rtol=2e-3)
    keras = 0.8 * 0.0 + 0.2 * x.data.mean(axis=(0, 2, 3))
    np.testing.assert_allclose(norm.running_mean.data, keras)


@erratum(
    "T7",
    claim="Spectral norm makes a convolution 1-Lipschitz.",
    correct="It divides by the norm of the kernel reshaped to a matrix (O, C R S). The norm of the "
    "convolution as an operator on images can be up to sqrt(R S) times that, at stride 1.",
    sources=(
        "arXiv:1802.05957",
        "arXiv:1805.10408",
        "arXiv:1802.04034",
        "pfnet-research/sngan_projection#37",
    ),
)
def test_spectral_norm_of_the_reshaped_kernel_is_not_that_of_the_convolution():
    """The convolution multiplies the reshaped kernel W by the image's patches. Each pixel is in at
    most R S patches, so the stacked patches have at most sqrt(R S) times the norm of the image:

        ||conv|| <= sqrt(R S) sigma(W),

    and a 3 x 3 kernel of ones comes close: sigma(W) = 3, while a constant image is multiplied by 9
    away from the border. After division by sigma(W) it is still nearly 3, per layer. For 1 x 1
    kernels the two norms are equal. (At stride t a pixel is in at most ceil(R / t) ceil(S / t)
    patches: where patches don't overlap the norms are equal too.)
    """

    def operator_norm(w, padding):
        x = constant(Stream(0, "x").normal((1, w.shape[1], 24, 24), np.float64))
        for _ in range(60):  # power iteration on A^T A
            y = ops.conv2d(x, w, padding=padding)
            x = ops.conv_transpose2d(y, w, padding=padding)
            x = x / float(ops.sqrt(ops.sum(ops.square(x))))
        return float(ops.sqrt(ops.sum(ops.square(ops.conv2d(x, w, padding=padding)))))

    def normalised(w):
        w = constant(w)
        u, v = ops.power_iteration(w, constant(np.ones(w.shape[0])), steps=50)
        return ops.spectral_norm(w, u, v)

    ones = normalised(np.ones((1, 1, 3, 3)))
    assert np.linalg.norm(ones.data) == pytest.approx(1.0)
    assert 2.9 < operator_norm(ones, 1) <= 3.0
    drawn = normalised(np.random.default_rng(0).normal(size=(4, 3, 3, 3)))
    assert 1.1 < operator_norm(drawn, 1) <= 3.0
    assert operator_norm(normalised(np.array([[[[2.0]], [[-1.0]]]])), 0) == pytest.approx(1.0)
