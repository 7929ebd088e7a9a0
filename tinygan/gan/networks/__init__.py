"""Networks that several recipes share."""

from .autoencoder import BEGANDecoder, BEGANDiscriminator, EBGANDiscriminator
from .biggan import BigGANGenerator, orthogonal_init
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
from .resnet import ResNetDiscriminator, ResNetGenerator
from .sagan import SAGANDiscriminator, SAGANGenerator
from .spectral import normalise_spectrally

__all__ = [
    "BEGANDecoder",
    "BEGANDiscriminator",
    "BigGANGenerator",
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
    "ProjectionDiscriminator",
    "ProjectionGenerator",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "SAGANDiscriminator",
    "SAGANGenerator",
    "dcgan_init",
    "hidden_features",
    "normalise_spectrally",
    "orthogonal_init",
    "pair",
    "players_for",
    "stages",
]
