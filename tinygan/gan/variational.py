"""The evidence lower bound: what a variational autoencoder climbs.

    log p(x) >= ELBO = E_q log p(x|z) - KL(q(z|x) || N(0, 1)),   q(z|x) = N(mean, diag(variance))

Kingma & Welling, arXiv:1312.6114, equations 3 and 10 and appendix B. ``draw`` is their
reparametrisation, z = mean + deviation * noise, by which gradients reach both.
"""

from __future__ import annotations

import math

from .. import ops, random
from ..autograd import Tensor
from ..errors import ShapeError


def draw(mean: Tensor, log_var: Tensor) -> Tensor:
    """Draw z of q(z|x), one for each sample, from the ambient stream "posterior".

    Shapes: mean, log_var (N, nz) -> (N, nz). Differentiable: any order; the noise is a constant.
    """
    noise = random.current().stream("posterior").normal(mean.shape, mean.dtype)
    return mean + ops.exp(0.5 * log_var) * Tensor(noise)


def kl_to_standard_normal(mean: Tensor, log_var: Tensor) -> Tensor:
    """Mean over the samples of KL(q(z|x) || N(0, 1)), in nats; 0 or more.

        sum_j (mean_j^2 + variance_j - log variance_j - 1) / 2

    Shapes: mean, log_var (N, nz) -> (). Differentiable: any order. Source: arXiv:1312.6114,
    appendix B.
    """
    terms = ops.square(mean) + ops.exp(log_var) - log_var - 1.0
    return 0.5 * ops.mean(ops.sum(terms, 1))


def gaussian_nll(x: Tensor, mean: Tensor, *, sigma: float = 0.0) -> Tensor:
    """Mean over the samples of -log N(x; mean, sigma^2), in nats, which may be below 0.

        d/2 log(2 pi sigma^2) + ||x - mean||^2 / (2 sigma^2)        d: entries of a sample

    Shapes: x, mean (N, ...) -> ().

    Args:
        x: samples.
        mean: what they are compared with.
        sigma: deviation of every entry, above 0; 0 takes the likeliest one of this batch,
            sigma^2 = the mean squared error, as a constant. Its own slope there is nothing, so the
            gradient is that of sigma learned (arXiv:2006.13202, section 4).

    Raises:
        ShapeError: the shapes differ.

    Differentiable: any order where sigma is given, else once. arXiv:1312.6114, appendix C.2.
    """
    if x.shape != mean.shape:
        raise ShapeError(f"gaussian_nll: x {x.shape} and mean {mean.shape} differ")
    mse = ops.mean(ops.square(x - mean))
    variance = sigma**2 or max(float(mse), _LEAST)
    entries = x.size // x.shape[0]
    return 0.5 * entries * (mse / variance + math.log(2.0 * math.pi * variance))


_LEAST = 1e-12  # where all is reconstructed to the last bit, its logarithm would be infinite
