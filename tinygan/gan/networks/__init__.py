"""Networks that several recipes share."""

from .autoencoder import BEGANDecoder, BEGANDiscriminator, EBGANDiscriminator
from .by_data import normalise_spectrally, players_for
from .dcgan import DCGANDiscriminator, DCGANGenerator, dcgan_init, stages
from .features import MinibatchDiscriminator, hidden_features
from .mlp import Maxout, MLPDiscriminator, MLPGenerator
from .resnet import ResNetDiscriminator, ResNetGenerator

__all__ = [
    "BEGANDecoder",
    "BEGANDiscriminator",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "EBGANDiscriminator",
    "MLPDiscriminator",
    "MLPGenerator",
    "Maxout",
    "MinibatchDiscriminator",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "dcgan_init",
    "hidden_features",
    "normalise_spectrally",
    "players_for",
    "stages",
]
