"""Spectral norms against the SVD: what power iteration knows, and what a convolution's norm is.

Spectral normalisation divides a convolution by the largest singular value sigma of its weight
*reshaped* to a matrix W (O, C R S). The layer applies W to every window of the image, so the norm
of the layer itself lies between

    sigma  <=  ||K||  <=  sqrt(ceil(R / stride) ceil(S / stride)) sigma.

Left: an image that is zero outside one window is stretched by up to sigma there, and elsewhere
nothing is taken away from the output's norm. Right: ||K x||^2 = sum over windows |W window|^2 <=
sigma^2 sum |window|^2, which counts a pixel once for each window that sees it.
"""

from itertools import product
from math import ceil, sqrt

import numpy as np
import pytest

from tinygan import kernels, nn, ops, random
from tinygan.autograd import Tensor, grad, no_grad
from tinygan.nn.utils import spectral_norm


def matrix_of(values, rows, columns, seed):
    """Make a matrix with these singular values, between random rotations."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.normal(size=(rows, rows)))[0][:, : len(values)]
    right = np.linalg.qr(rng.normal(size=(columns, columns)))[0][:, : len(values)]
    return left * np.array(values) @ right.T, left


VALUES = 5.0 * 0.8 ** np.arange(6)


def sigma_after(w, u, steps):
    """Read sigma = u^T W v off the engine's normalised weight, W / sigma."""
    u, v = ops.power_iteration(w, u, steps=steps)
    return np.linalg.norm(w) / np.linalg.norm(ops.spectral_norm(w, u, v).data)


@pytest.mark.parametrize("steps", [1, 2, 5, 15, 40])
def test_after_n_steps_sigma_is_known_in_closed_form(steps, backend):
    """Start at u = sum c_i u_i. v is along W^T (W W^T)^(n-1) u = sum c_i s_i^(2n-1) v_i, and

    sigma = |W v| / |v| = sqrt(sum c_i^2 s_i^(4n) / sum c_i^2 s_i^(4n-2)).
    """
    w, left = matrix_of(VALUES, 8, 30, seed=0)
    u = np.random.default_rng(1).normal(size=8)
    c = left.T @ u
    expected = sqrt((c**2 * VALUES ** (4 * steps)).sum() / (c**2 * VALUES ** (4 * steps - 2)).sum())
    with kernels.use_backend(backend, "numpy"):
        assert sigma_after(w, u, steps) == pytest.approx(expected, rel=1e-12)
    assert expected <= VALUES[0]


@pytest.mark.parametrize("seed", range(3))
def test_fifteen_steps_find_a_clear_first_singular_value_to_four_digits(seed, backend):
    """PyTorch's parametrization warms u and v up by 15 steps.

    By the formula above, with r = s_2 / s_1 and u at an angle of tangent t to u_1, the share of
    sigma that is missing is at most (1 - r^2) t^2 r^(4n-2) / 2: 4.3e-5 for r = 0.8, t = 10.
    """
    w, left = matrix_of(VALUES, 8, 30, seed)
    aside = np.random.default_rng(seed + 9).normal(size=8)
    aside -= left[:, 0] * (left[:, 0] @ aside)
    u = left[:, 0] + 10 * aside / np.linalg.norm(aside)
    with kernels.use_backend(backend, "numpy"):
        assert sigma_after(w, u, 15) == pytest.approx(VALUES[0], rel=4.4e-5)
        assert sigma_after(w, u, 60) == pytest.approx(VALUES[0], rel=1e-12)


@pytest.mark.parametrize("make", ["linear", "conv", "transposed"])
def test_layers_in_training_reach_the_first_singular_value_to_ten_digits(make):
    with random.using(random.Streams(4)):
        layer = {
            "linear": lambda: nn.Linear(12, 7, bias=False, dtype=np.float64),
            "conv": lambda: nn.Conv2d(3, 5, 3, bias=False, dtype=np.float64),
            "transposed": lambda: nn.ConvTranspose2d(3, 5, 3, bias=False, dtype=np.float64),
        }[make]()
        w = layer.weight.data
        rows = np.moveaxis(w, 1, 0) if make == "transposed" else w
        spectral_norm(layer)
    x = Tensor(np.zeros((1, 12) if make == "linear" else (1, 3, 3, 3)))
    with no_grad():
        for _ in range(250):
            layer(x)
    matrix = rows.reshape(len(rows), -1)
    sigma = layer.weight_u.data @ matrix @ layer.weight_v.data
    assert sigma == pytest.approx(np.linalg.svd(matrix, compute_uv=False)[0], rel=1e-10)


def test_the_slope_of_sigma_is_the_outer_product_of_its_singular_vectors(backend):
    """d s_1 / dW = u_1 v_1^T, though u and v are constants: u^T W v is stationary in both.

    So |W / s_1|^2 has the slope 2 W / s_1^2 - 2 |W|^2 / s_1^3 u_1 v_1^T. Moved along E, with
    e = u_1^T E v_1 and u_1, v_1 constant, that slope changes by

        2 E / s^2 - 4 e W / s^3 + (6 e |W|^2 / s^4 - 4 <W, E> / s^3) u_1 v_1^T:

    the second derivative of what the engine computes; that of s_1 itself has terms in du_1, dv_1.
    """
    w, _ = matrix_of(VALUES, 6, 9, seed=3)
    left, values, right = np.linalg.svd(w)
    weight = Tensor(w, requires_grad=True)
    with kernels.use_backend(backend, "numpy"):
        u, v = ops.power_iteration(w, np.ones(6), steps=200)
        y = ops.spectral_norm(weight, u, v)
        slope = grad(ops.sum(y * y), weight, create_graph=True)
        moved = np.random.default_rng(4).normal(size=w.shape)
        bent = grad(ops.sum(slope * moved), weight).data
    outer = np.outer(left[:, 0], right[0])
    expected = 2 * w / values[0] ** 2 - 2 * (w**2).sum() / values[0] ** 3 * outer
    np.testing.assert_allclose(slope.data, expected, rtol=1e-10, atol=1e-12)
    s, e, size = values[0], (outer * moved).sum(), (w**2).sum()
    along = 6 * e * size / s**4 - 4 * (w * moved).sum() / s**3
    expected = 2 * moved / s**2 - 4 * e * w / s**3 + along * outer
    np.testing.assert_allclose(bent, expected, rtol=1e-10, atol=1e-12)


# --- convolutions as operators ---


def reshaped(w):
    return np.linalg.svd(w.reshape(len(w), -1), compute_uv=False)[0]


def circular(x, w):
    """Convolve on a torus: wrap R - 1 rows and S - 1 columns around, then pad nothing."""
    r, s = w.shape[2:]
    x = ops.concatenate([x, x[:, :, : r - 1]], 2) if r > 1 else x
    x = ops.concatenate([x, x[:, :, :, : s - 1]], 3) if s > 1 else x
    return ops.conv2d(x, w)


def dense(operator, shape):
    """Write a linear operator on images of ``shape`` as a matrix, a column a pixel."""
    size = int(np.prod(shape))
    basis = Tensor(np.eye(size).reshape(size, *shape))
    return operator(basis).data.reshape(size, -1).T


def norm_by_fourier(w, h, width):
    """Transform the kernel: on a torus the operator is a matrix (O, C) for each frequency.

    Source: arXiv:1805.10408, theorem 6 (there with the conjugate frequencies: the same norms).
    """
    blocks = np.moveaxis(np.fft.fft2(w, (h, width)), (0, 1), (2, 3))  # (h, width, O, C)
    return np.linalg.svd(blocks, compute_uv=False).max()


def norm_by_power_iteration(operator, shape, block=16, steps=60):
    """Apply the operator and its adjoint, its vjp, to a batch of images that are kept orthonormal.

    One image alone would close in by (s_2 / s_1)^2 a step, and s_2 is near; a block of m by
    (s_(m+1) / s_1)^2.
    """
    x = np.random.default_rng(8).normal(size=(int(np.prod(shape)), block))
    for _ in range(steps):
        images = Tensor(np.linalg.qr(x)[0].T.reshape(block, *shape), requires_grad=True)
        y = operator(images)
        x = grad(y, images, y.detach()).data.reshape(block, -1).T
    return np.linalg.norm(y.data.reshape(block, -1), 2)


def kernel(o, c, r, s, seed=0):
    return np.random.default_rng(seed).normal(size=(o, c, r, s))


@pytest.mark.parametrize(("o", "c", "r", "s"), [(4, 3, 3, 3), (2, 5, 3, 2), (3, 1, 1, 4)])
def test_on_a_torus_the_norm_of_a_convolution_is_that_of_its_fourier_blocks(o, c, r, s):
    w, h, width = kernel(o, c, r, s), 5, 6
    exact = np.linalg.svd(dense(lambda x: circular(x, Tensor(w)), (c, h, width)))[1]
    assert norm_by_fourier(w, h, width) == pytest.approx(exact[0], rel=1e-12)
    blocks = np.moveaxis(np.fft.fft2(w, (h, width)), (0, 1), (2, 3))
    every = np.sort(np.linalg.svd(blocks, compute_uv=False).ravel())[::-1]
    np.testing.assert_allclose(every, exact[: every.size], atol=1e-11)
    assert reshaped(w) <= exact[0] <= sqrt(r * s) * reshaped(w)


@pytest.mark.parametrize(
    ("stride", "padding", "r"), [(1, 1, 3), (1, 0, 2), (2, 1, 4), (2, 1, 3), (3, 0, 3)]
)
def test_power_iteration_with_conv2d_and_its_adjoint_finds_the_operator_norm(stride, padding, r):
    w = Tensor(kernel(3, 2, r, r, seed=stride))
    shape = (2, 6, 6)

    def operator(x):
        return ops.conv2d(x, w, stride=stride, padding=padding)

    exact = np.linalg.svd(dense(operator, shape), compute_uv=False)[0]
    assert norm_by_power_iteration(operator, shape) == pytest.approx(exact, rel=1e-10)
    windows = ceil(r / stride) ** 2  # that see one pixel
    assert reshaped(w.data) * (1 - 1e-12) <= exact <= sqrt(windows) * reshaped(w.data) * (1 + 1e-12)


def test_the_transposed_convolution_has_the_norm_of_the_convolution():
    """It is the adjoint: the same singular values, whatever matrix its weight is reshaped to."""
    w = Tensor(kernel(3, 2, 4, 4))
    forward = dense(lambda x: ops.conv2d(x, w, stride=2, padding=1), (2, 6, 6))
    back = dense(lambda y: ops.conv_transpose2d(y, w, stride=2, padding=1), (3, 3, 3))
    np.testing.assert_allclose(back, forward.T, atol=1e-14)
    assert np.linalg.norm(back, 2) == pytest.approx(np.linalg.norm(forward, 2), rel=1e-12)


def test_windows_that_do_not_overlap_make_the_reshaped_norm_exact():
    """Stride R: every pixel is seen once, so the bounds meet and the norm is sigma."""
    w = Tensor(kernel(4, 3, 2, 2))
    operator = dense(lambda x: ops.conv2d(x, w, stride=2), (3, 6, 6))
    assert np.linalg.norm(operator, 2) == pytest.approx(reshaped(w.data), rel=1e-12)


def test_a_kernel_of_ones_is_as_far_from_its_reshaped_norm_as_a_kernel_can_be():
    """W is a row of R S ones, sigma = sqrt(R S), yet it multiplies a constant image by R S."""
    for r, s in product((1, 2, 3), (2, 3)):
        w = np.ones((1, 1, r, s))
        norm = np.linalg.norm(dense(lambda x, w=w: circular(x, Tensor(w)), (1, 5, 5)), 2)
        assert norm == pytest.approx(r * s, rel=1e-12)
        assert norm == pytest.approx(sqrt(r * s) * reshaped(w), rel=1e-12)


def test_spectrally_normalised_convolutions_may_stretch_up_to_the_window():
    """The layer has reshaped norm 1; its operator norm is above 1 and at most sqrt(R S) = 3."""
    with random.using(random.Streams(1)):
        layer = spectral_norm(
            nn.Conv2d(2, 4, 3, padding=1, bias=False, dtype=np.float64), n_power_iterations=400
        )
    operator = dense(layer, (2, 6, 6))
    norm = np.linalg.norm(operator, 2)
    assert 1.2 < norm <= 3
