"""InfoGAN's players: G reads codes off z, and a head of D guesses them from the sample.

    z = (a_1 .. a_K, b_1 .. b_C, noise) ~ N(0, 1)
    category y = argmax a,   continuous u = 2 Phi(b) - 1,   G(z) = net(1_y, u, noise)

By symmetry y is uniform over the K categories, u is uniform over (-1, 1), and both are independent
of the noise: the codes of the paper, as functions of the normal z that every game draws. So
samples, walks and measurements need no more than z, and a category may be given instead.

Chen et al., arXiv:1606.03657, section 6 and appendix C.1: D and Q share all but their last layers.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from ... import nn, ops
from ...autograd import Tensor
from ...kernels.arrays import Array, Shape, xp_of
from .by_data import discriminator_for, generator_for
from .conditional import one_hot
from .features import without_head

_Q_UNITS, _Q_SLOPE = 128, 0.1  # of Q's own hidden layer, appendix C.1

# Abramowitz & Stegun, 7.1.26: erf for x >= 0, wrong by 1.5e-7 at most
_P = 0.3275911
_A = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)


def uniform_from_normal(b: Array) -> Array:
    """Return 2 Phi(b) - 1 = erf(b / sqrt 2): N(0, 1) becomes U(-1, 1). Shapes: any -> the same."""
    xp: Any = xp_of(b)
    x = xp.abs(b) / sqrt(2.0)
    t = 1.0 / (1.0 + _P * x)
    polynomial = t * (_A[0] + t * (_A[1] + t * (_A[2] + t * (_A[3] + t * _A[4]))))
    u: Array = xp.sign(b) * (1.0 - polynomial * xp.exp(-x * x))
    return u


class CodeGenerator(nn.Module):
    """G of noise and codes. Shapes: z (N, K + C + nz) [, y (N,) integers] -> (N, *data_shape).

    Args:
        data_shape: (C, S, S) for images, (features,) for points.
        categories: K, values of the categorical code.
        continuous: C, continuous codes.
        nz: entries of z that are noise.
        ngf: channels of the last hidden layer, images only.
        hidden: units of a hidden layer, points only.
    """

    def __init__(
        self,
        data_shape: Shape,
        *,
        categories: int,
        continuous: int,
        nz: int,
        ngf: int,
        hidden: int,
    ) -> None:
        super().__init__()
        self.num_classes, self.continuous = categories, continuous
        self.nz = categories + continuous + nz
        self.net = generator_for(data_shape, nz=self.nz, ngf=ngf, hidden=hidden)

    def codes(self, z: Tensor) -> tuple[Array, Tensor]:
        """Return what z says. Shapes: z (N, K + C + nz) -> categories (N,), continuous (N, C)."""
        k = self.num_classes
        return z.data[:, :k].argmax(1), Tensor(
            uniform_from_normal(z.data[:, k : k + self.continuous])
        )

    def forward(self, z: Tensor, y: Array | None = None) -> Tensor:
        """Make samples of z's own categories, or of the categories ``y``."""
        of_z, u = self.codes(z)
        code = one_hot(of_z if y is None else y, self.num_classes, z)
        noise = z[:, self.num_classes + self.continuous :]
        samples: Tensor = self.net(ops.concatenate([code, u, noise], 1))
        return samples


class CodeDiscriminator(nn.Module):
    """D, and Q on its last hidden layer. Shapes: x (N, ...) -> logit (N,).

    Args:
        data_shape: (C, S, S) for images, (features,) for points.
        categories: K, values of the categorical code.
        continuous: C, continuous codes.
        ndf: channels of the first hidden layer, images only.
        hidden: units of a hidden layer, points only.
    """

    def __init__(
        self, data_shape: Shape, *, categories: int, continuous: int, ndf: int, hidden: int
    ) -> None:
        super().__init__()
        self.categories = categories
        self.main, width = without_head(discriminator_for(data_shape, ndf=ndf, hidden=hidden))
        self.head = nn.Linear(width, 1)
        self.q = nn.Sequential(
            nn.Linear(width, _Q_UNITS),
            nn.BatchNorm1d(_Q_UNITS),
            nn.LeakyReLU(_Q_SLOPE),
            nn.Linear(_Q_UNITS, categories + continuous),
        )

    def forward(self, x: Tensor, *, guess: bool = False) -> Any:
        """Judge samples, and guess their codes if asked to.

        Shapes: x (N, ...) -> logit (N,) [, category logits (N, K), means of the continuous (N, C)].
        """
        h = self.main(x)
        logit = self.head(h).reshape(-1)
        if not guess:
            return logit
        codes = self.q(h)
        return logit, codes[:, : self.categories], codes[:, self.categories :]
