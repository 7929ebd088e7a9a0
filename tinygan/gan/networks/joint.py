"""Inference beside generation: an encoder of samples, and what a joint discriminator looks at.

E   x, flattened -> dense layers -> z, or the mean and log deviation of a z that is drawn
    or x -> the layers of a discriminator but the last -> Linear -> z
D   (x, z) side by side as one vector -> logit: any network for vectors, MLPDiscriminator say
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ... import nn, ops, random
from ...autograd import Tensor
from ...kernels.arrays import Shape
from .by_data import discriminator_for
from .features import without_head
from .mlp import Layer, MLPGenerator


class MLPEncoder(nn.Module):
    """Samples to latent vectors. Shapes: x (N, *data_shape) -> (N, nz).

    Args:
        data_shape: shape of one sample.
        nz: length of z.
        hidden: widths of the hidden layers.
        act: makes an activation.
        batch_norm: put batch norm before each activation.
        stochastic: draw z ~ N(mean(x), deviation(x)^2) from the ambient stream "encoder", by
            mean + deviation * noise, so that gradients reach both (arXiv:1606.00704, section 2).
    """

    def __init__(
        self,
        data_shape: Shape,
        nz: int,
        *,
        hidden: Sequence[int],
        act: Layer = nn.ReLU,
        batch_norm: bool = False,
        stochastic: bool = False,
    ) -> None:
        super().__init__()
        self.stochastic = stochastic
        out = (2 * nz if stochastic else nz,)
        self.net = MLPGenerator(
            prod(data_shape), out, hidden=hidden, act=act, batch_norm=batch_norm
        )

    def forward(self, x: Tensor) -> Tensor:
        """Find the z that may have made each sample."""
        out: Tensor = self.net(x.reshape(x.shape[0], -1))
        if not self.stochastic:
            return out
        mean, log_std = ops.split(out, 2, 1)
        noise = Tensor(random.current().stream("encoder").normal(mean.shape, mean.dtype))
        return mean + ops.exp(log_std) * noise


class LatentEncoder(nn.Module):
    """Samples to latent vectors, by convolutions. Shapes: x (N, *data_shape) -> (N, nz).

    Args:
        data_shape: (C, S, S) for images, (features,) for points.
        nz: length of z.
        ndf: channels of the first hidden layer, images only.
        hidden: units of a hidden layer, points only.
    """

    def __init__(self, data_shape: Shape, nz: int, *, ndf: int, hidden: int) -> None:
        super().__init__()
        self.main, width = without_head(discriminator_for(data_shape, ndf=ndf, hidden=hidden))
        self.head = nn.Linear(width, nz)

    def forward(self, x: Tensor) -> Tensor:
        """Find the z that may have made each sample."""
        z: Tensor = self.head(self.main(x))
        return z


def pair(x: Tensor, z: Tensor) -> Tensor:
    """Put samples and their latents side by side.

    Shapes: x (N, *data_shape), z (N, nz) -> (N, prod(data_shape) + nz). Differentiable: any order.
    """
    return ops.concatenate([x.reshape(x.shape[0], -1), z], 1)
