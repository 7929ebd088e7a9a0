"""Networks that several recipes share."""

from .autoencoder import BEGANDecoder, BEGANDiscriminator, EBGANDiscriminator
from .by_data import players_for
from .conditional import (
    ClassifyingDiscriminator,
    ConditionalDiscriminator,
    ConditionalGenerator,
    ProjectionDiscriminator,
    ProjectionGenerator,
)
from .dcgan import DCGANDiscriminator, DCGANGenerator, dcgan_init, stages
from .features import MinibatchDiscriminator, hidden_features
from .joint import MLPEncoder, pair
from .mlp import Maxout, MLPDiscriminator, MLPGenerator
from .progan import ProGANDiscriminator, ProGANGenerator
from .resnet import ResNetDiscriminator, ResNetGenerator
from .spectral import normalise_spectrally

__all__ = [
    "BEGANDecoder",
    "BEGANDiscriminator",
    "ClassifyingDiscriminator",
    "ConditionalDiscriminator",
    "ConditionalGenerator",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "EBGANDiscriminator",
    "MLPDiscriminator",
    "MLPEncoder",
    "MLPGenerator",
    "Maxout",
    "MinibatchDiscriminator",
    "ProGANDiscriminator",
    "ProGANGenerator",
    "ProjectionDiscriminator",
    "ProjectionGenerator",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "dcgan_init",
    "hidden_features",
    "normalise_spectrally",
    "pair",
    "players_for",
    "stages",
]
