"""Networks that several recipes share."""

from .autoencoder import BEGANDecoder, BEGANDiscriminator, EBGANDiscriminator
from .biggan import BigGANGenerator, orthogonal_init
from .by_data import generator_for, players_for
from .captioned import CaptionDiscriminator, CaptionGenerator
from .codes import CodeDiscriminator, CodeGenerator
from .conditional import (
    ClassifyingDiscriminator,
    ConditionalDiscriminator,
    ConditionalGenerator,
    ProjectionDiscriminator,
    ProjectionGenerator,
)
from .coupled import CoupledDiscriminator, CoupledGenerator
from .dcgan import DCGANDiscriminator, DCGANGenerator, dcgan_init, stages
from .features import MinibatchDiscriminator, features_and_logit, hidden_features
from .film import FilmDiscriminator, FilmGenerator
from .joint import LatentEncoder, MLPEncoder, pair
from .mlp import Maxout, MLPDiscriminator, MLPGenerator
from .noisy import NoisyClassifier
from .progan import ProGANDiscriminator, ProGANGenerator
from .resnet import ResNetDiscriminator, ResNetGenerator
from .sagan import SAGANDiscriminator, SAGANGenerator
from .spectral import normalise_spectrally
from .stargan import StarDiscriminator, StarGenerator
from .variational import NormalEncoder

__all__ = [
    "BEGANDecoder",
    "BEGANDiscriminator",
    "BigGANGenerator",
    "CaptionDiscriminator",
    "CaptionGenerator",
    "ClassifyingDiscriminator",
    "CodeDiscriminator",
    "CodeGenerator",
    "ConditionalDiscriminator",
    "ConditionalGenerator",
    "CoupledDiscriminator",
    "CoupledGenerator",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "EBGANDiscriminator",
    "FilmDiscriminator",
    "FilmGenerator",
    "LatentEncoder",
    "MLPDiscriminator",
    "MLPEncoder",
    "MLPGenerator",
    "Maxout",
    "MinibatchDiscriminator",
    "NoisyClassifier",
    "NormalEncoder",
    "ProGANDiscriminator",
    "ProGANGenerator",
    "ProjectionDiscriminator",
    "ProjectionGenerator",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "SAGANDiscriminator",
    "SAGANGenerator",
    "StarDiscriminator",
    "StarGenerator",
    "dcgan_init",
    "features_and_logit",
    "generator_for",
    "hidden_features",
    "normalise_spectrally",
    "orthogonal_init",
    "pair",
    "players_for",
    "stages",
]
