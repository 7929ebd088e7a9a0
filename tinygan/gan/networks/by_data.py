"""The two players that fit the data, for recipes that are about a loss and not about a network.

images   DCGAN's generator and discriminator             arXiv:1511.06434
points   three dense layers each, as in WGAN-GP's toys     arXiv:1704.00028
"""

from __future__ import annotations

from ...kernels.arrays import Shape
from .dcgan import DCGANDiscriminator, DCGANGenerator
from .mlp import MLPDiscriminator, MLPGenerator

_LAYERS = 3  # hidden layers of a player of points


def generator_for(
    data_shape: Shape, *, nz: int, ngf: int, hidden: int
) -> MLPGenerator | DCGANGenerator:
    """Make the G of ``players_for``."""
    if len(data_shape) == 3:
        return DCGANGenerator(nz, data_shape, ngf=ngf)
    return MLPGenerator(nz, data_shape, hidden=(hidden,) * _LAYERS)


def discriminator_for(
    data_shape: Shape, *, ndf: int, hidden: int, batch_norm: bool = True
) -> MLPDiscriminator | DCGANDiscriminator:
    """Make the D of ``players_for``."""
    if len(data_shape) == 3:
        return DCGANDiscriminator(data_shape, ndf=ndf, batch_norm=batch_norm)
    return MLPDiscriminator(data_shape, hidden=(hidden,) * _LAYERS)


def players_for(
    data_shape: Shape, *, nz: int, ngf: int, ndf: int, hidden: int, batch_norm: bool = True
) -> tuple[MLPGenerator | DCGANGenerator, MLPDiscriminator | DCGANDiscriminator]:
    """Make G and D for samples of ``data_shape``.

    Shapes: G, z (N, nz) -> (N, *data_shape); D, (N, *data_shape) -> (N,).

    Args:
        data_shape: (C, S, S) for images, (features,) for points.
        nz: length of z.
        ngf: channels of G's last hidden layer, images only.
        ndf: channels of D's first hidden layer, images only.
        hidden: units of each of the three hidden layers, points only.
        batch_norm: False leaves it out of D, as a penalty per sample needs; images only.

    Raises:
        OptionError: images of a size that DCGAN doesn't make.
    """
    return (
        generator_for(data_shape, nz=nz, ngf=ngf, hidden=hidden),
        discriminator_for(data_shape, ndf=ndf, hidden=hidden, batch_norm=batch_norm),
    )
