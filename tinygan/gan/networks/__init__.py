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
from .patchgan import PatchDiscriminator, translation_init
from .progan import ProGANDiscriminator, ProGANGenerator
from .residual import ResidualBlock, ResidualGenerator
from .resnet import ResNetDiscriminator, ResNetGenerator
from .rrdb import RRDBNet
from .sagan import SAGANDiscriminator, SAGANGenerator
from .spectral import normalise_spectrally
from .srresnet import SRDiscriminator, SRResNet
from .stargan import StarDiscriminator, StarGenerator
from .style import StyleGenerator
from .stylegan import StyleGANDiscriminator, StyleGANGenerator
from .stylegan2 import StyleGAN2Discriminator, StyleGAN2Generator
from .unet import UNetGenerator
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
    "PatchDiscriminator",
    "ProGANDiscriminator",
    "ProGANGenerator",
    "ProjectionDiscriminator",
    "ProjectionGenerator",
    "RRDBNet",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "ResidualBlock",
    "ResidualGenerator",
    "SAGANDiscriminator",
    "SAGANGenerator",
    "SRDiscriminator",
    "SRResNet",
    "StarDiscriminator",
    "StarGenerator",
    "StyleGAN2Discriminator",
    "StyleGAN2Generator",
    "StyleGANDiscriminator",
    "StyleGANGenerator",
    "StyleGenerator",
    "UNetGenerator",
    "dcgan_init",
    "features_and_logit",
    "generator_for",
    "hidden_features",
    "normalise_spectrally",
    "orthogonal_init",
    "pair",
    "players_for",
    "stages",
    "translation_init",
]
