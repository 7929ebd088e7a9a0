"""Gradient penalties: losses on the slope of D with respect to its input.

    gradient_penalty   E (||grad D(x_hat)|| - 1)^2,  x_hat between real and fake  arXiv:1704.00028
    r1                 gamma / 2  E ||grad D(x)||^2  at real x                    arXiv:1801.04406
    r2                 the same at fakes                                          arXiv:1801.04406
    dragan             E (||grad D(x_hat)|| - 1)^2,  x_hat around real x          arXiv:1705.07215

The norm runs over *all* axes of a sample. Published code that takes ``norm(dim=1)`` of an image
gradient penalises the norm over the channels at each pixel instead: an image of H W pixels whose
every pixel has slope 1 has slope sqrt(H W).
Each function differentiates a derivative: ``create_graph=True`` is what lets the penalty act on D's
weights. A logit depends on its own sample alone, so the gradient of the sum of the logits holds
each sample's own gradient; batch norm in D breaks that, which is why WGAN-GP's critic has none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd import Tensor, grad
from ..autograd.basic import mean, sqrt, square
from ..autograd.linear import sum as sum_
from ..errors import ShapeError

Critic = Callable[[Tensor], Tensor]

_EPS = 1e-12  # inside the root, whose slope at 0 is infinite


def squared_slopes(D: Critic, x: Tensor) -> Tensor:
    """Return the squared norm of grad_x D(x) for each sample; it can be differentiated again.

    Shapes: x (N, ...) -> (N,). ``x`` itself is taken as a constant.
    """
    x = Tensor(x.data, requires_grad=True)
    gx = grad(sum_(D(x)), x, create_graph=True)
    return sum_(square(gx), tuple(range(1, gx.ndim)))


def _one_centred(D: Critic, x_hat: Tensor) -> Tensor:
    norm = sqrt(squared_slopes(D, x_hat) + _EPS)
    return mean(square(norm - 1.0))


def gradient_penalty(D: Critic, real: Tensor, fake: Tensor, *, alpha: Any) -> Tensor:
    """E (||grad D(x_hat)||_2 - 1)^2 at x_hat = alpha * real + (1 - alpha) * fake, of WGAN-GP.

    Shapes: real and fake (N, ...), alpha (N,) -> ().

    Args:
        D: critic, samples -> logits.
        real: real samples, a constant here.
        fake: fakes, a constant here.
        alpha: an array of N numbers from U(0, 1), one a sample.

    Raises:
        ShapeError: the shapes differ, or alpha is not one number a sample.

    Differentiable: any order in D's weights. Source: arXiv:1704.00028, section 4.
    """
    if real.shape != fake.shape:
        raise ShapeError(f"gradient_penalty: real is {real.shape}, fake is {fake.shape}")
    return _one_centred(D, Tensor(fake.data + _per_sample(alpha, real) * (real.data - fake.data)))


def _per_sample(alpha: Any, x: Tensor) -> Any:
    values = alpha.data if isinstance(alpha, Tensor) else alpha
    if values.size != x.shape[0]:
        raise ShapeError(f"alpha of shape {values.shape}: use one number a sample, ({x.shape[0]},)")
    return values.reshape(-1, *[1] * (x.ndim - 1)).astype(x.dtype, copy=False)


def r1(D: Critic, real: Tensor, *, gamma_r1: float) -> Tensor:
    """Half of gamma times E ||grad D(x)||^2 at real samples. Shapes: real (N, ...) -> ().

    The factor 1/2 is that of the paper's equation 9 and of StyleGAN; GAN_stability's code, of the
    paper's own authors, leaves it out. Differentiable: any order in D's weights.
    Source: arXiv:1801.04406.
    """
    return mean(squared_slopes(D, real)) * (0.5 * gamma_r1)


def r2(D: Critic, fake: Tensor, *, gamma_r2: float) -> Tensor:
    """Half of gamma times E ||grad D(x)||^2 at fakes. Shapes: fake (N, ...) -> ().

    Differentiable: any order in D's weights. Source: arXiv:1801.04406, equation 10.
    """
    return mean(squared_slopes(D, fake)) * (0.5 * gamma_r2)


def dragan(D: Critic, real: Tensor, *, noise: Any, alpha: Any, c: float = 0.5) -> Tensor:
    """E (||grad D(x_hat)|| - 1)^2 at x_hat = x + alpha * c * std(x) * noise, around the data.

    Shapes: real (N, ...), noise as real, alpha (N,) -> ().

    Args:
        D: discriminator, samples -> logits.
        real: real samples; std(x) is over all their entries.
        noise: an array from U(0, 1), one number an entry.
        alpha: an array from U(0, 1), one number a sample.
        c: size of the neighbourhood, in standard deviations of the data.

    Raises:
        ShapeError: noise or alpha has another shape.

    Differentiable: any order in D's weights. Source: arXiv:1705.07215 and its authors' code.
    """
    values = noise.data if isinstance(noise, Tensor) else noise
    if values.shape != real.shape:
        raise ShapeError(f"dragan: noise is {values.shape}, the samples are {real.shape}")
    spread = c * real.data.std()  # stays on the device
    return _one_centred(D, Tensor(real.data + _per_sample(alpha, real) * (spread * values)))
