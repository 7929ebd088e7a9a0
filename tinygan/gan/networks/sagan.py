"""SAGAN's players: SNGAN's residual networks, with self-attention at half the image's side.

    G   z -> Linear -> (block, twice the size) x 2 -> attention -> block -> BN, ReLU -> conv -> tanh
    D   x -> first block, half the size -> attention -> block x 3 -> ReLU -> sum -> Linear -> logit

Zhang, Goodfellow, Metaxas & Odena, arXiv:1805.08318: spectral norm on every layer of both players,
queries and keys of C / 8 channels, values of C / 2, and a gain of attention that starts at 0.

Why it can matter: a cell of D's last map sees a window of 48 pixels at most, 4 either way in each
of its four 3 x 3 convolutions at a quarter of the side and 6 in those before, and its logit is a
sum over cells. So of two things that lie further apart it sees no relation, only each by itself;
with attention every cell sees all.

Exercise: work out that window. At which side can no cell see two opposite corners?
"""

from __future__ import annotations

from ... import nn, ops
from ...autograd import Tensor
from ...kernels.arrays import Shape
from .resnet import ResNetDiscriminator, ResNetGenerator
from .spectral import normalise_spectrally


class SAGANGenerator(ResNetGenerator):
    """Latent vectors to images. Shapes: z (N, nz) -> (N, C, S, S) in [-1, 1].

    Args:
        nz: length of z.
        image_shape: (C, S, S), S a multiple of 8.
        ngf: channels of every hidden layer, 8 or more.
        attention: False leaves it out.

    Raises:
        OptionError: the samples are not such images, or there are too few channels.
    """

    def __init__(
        self, nz: int, image_shape: Shape, *, ngf: int = 256, attention: bool = True
    ) -> None:
        super().__init__(nz, image_shape, ngf=ngf)
        self.attention = nn.SelfAttention2d(ngf) if attention else nn.Identity()
        normalise_spectrally(self)

    def forward(self, z: Tensor) -> Tensor:
        """Make images."""
        h = self.l1(z).reshape(-1, self.ngf, self.base, self.base)
        h = self.block4(self.attention(self.block3(self.block2(h))))
        return ops.tanh(self.c5(self.b5(h, negative_slope=0.0)))


class SAGANDiscriminator(ResNetDiscriminator):
    """Images to logits. Shapes: x (N, C, S, S) -> (N,).

    Args:
        image_shape: (C, S, S), S a multiple of 4.
        ndf: channels of every hidden layer, 8 or more.
        attention: False leaves it out.

    Raises:
        OptionError: the samples are not such images, or there are too few channels.
    """

    per_sample = True  # see gan/judge.py

    def __init__(self, image_shape: Shape, *, ndf: int = 128, attention: bool = True) -> None:
        super().__init__(image_shape, ndf=ndf)
        self.attention = nn.SelfAttention2d(ndf) if attention else nn.Identity()
        normalise_spectrally(self)

    def features(self, x: Tensor) -> Tensor:
        """Return what the last layer sees. Shapes: x (N, C, S, S) -> (N, ndf)."""
        h = self.attention(self.block1(x))
        h = self.block4(self.block3(self.block2(h)))
        return ops.sum(ops.relu(h), (2, 3))
