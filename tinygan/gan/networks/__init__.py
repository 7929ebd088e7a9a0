"""Networks that several recipes share."""

from .dcgan import DCGANDiscriminator, DCGANGenerator, dcgan_init, stages
from .joint import MLPEncoder, pair
from .mlp import Maxout, MLPDiscriminator, MLPGenerator
from .resnet import ResNetDiscriminator, ResNetGenerator

__all__ = [
    "DCGANDiscriminator",
    "DCGANGenerator",
    "MLPDiscriminator",
    "MLPEncoder",
    "MLPGenerator",
    "Maxout",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "dcgan_init",
    "pair",
    "stages",
]
