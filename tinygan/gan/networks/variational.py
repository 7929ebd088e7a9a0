"""Encoders that give a distribution: for each sample the normal q(z|x) of its latent vector.

    x -> the layers of a discriminator but the last -> Linear -> mean (N, nz), log variance (N, nz)

Kingma & Welling, arXiv:1312.6114, section 3 and appendix C.2: q(z|x) = N(mean, diag(variance)).
"""

from __future__ import annotations

from ... import nn, ops
from ...autograd import Tensor
from ...kernels.arrays import Shape
from .by_data import discriminator_for
from .features import without_head


class NormalEncoder(nn.Module):
    """Samples to q(z|x). Shapes: x (N, *data_shape) -> mean (N, nz), log variance (N, nz).

    Args:
        data_shape: (C, S, S) for images, (features,) for points.
        nz: length of z.
        ndf: channels of the first hidden layer, images only.
        hidden: units of a hidden layer, points only.
    """

    def __init__(self, data_shape: Shape, nz: int, *, ndf: int, hidden: int) -> None:
        super().__init__()
        self.main, width = without_head(discriminator_for(data_shape, ndf=ndf, hidden=hidden))
        self.head = nn.Linear(width, 2 * nz)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and the log variance of q(z|x)."""
        mean, log_var = ops.split(self.head(self.main(x)), 2, 1)
        return mean, log_var
