"""Networks that several recipes share."""

from .dcgan import DCGANDiscriminator, DCGANGenerator, dcgan_init, stages
from .mlp import Maxout, MLPDiscriminator, MLPGenerator

__all__ = [
    "DCGANDiscriminator",
    "DCGANGenerator",
    "MLPDiscriminator",
    "MLPGenerator",
    "Maxout",
    "dcgan_init",
    "stages",
]
