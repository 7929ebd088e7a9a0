"""BigGAN's generator at 32 pixels: one embedding of the class for all norms, and z in chunks.

    z = [z_0, z_1, z_2, z_3],    e = embedding(y)
    z_0 -> Linear -> block(e, z_1) -> block(e, z_2) -> block(e, z_3) -> BN, ReLU -> conv -> tanh

    norm of a block:   (1 + A c) * (x - mean) / std + B c,    c = [e, z_i]

Brock, Donahue & Simonyan, arXiv:1809.11096, section 3 and appendix B. A class has one vector, and
each norm two matrices that read it, in place of two tables a norm: fewer numbers a class, and what
one layer learns of it serves all. Every block sees a part of z of its own, not by way of the first
layer alone. Weights are orthogonal at first; G's layers, A and B included, have spectral norm. D is
``ProjectionDiscriminator``.

Exercise: count the numbers that one more class costs here, and in ``ProjectionGenerator``.
"""

from __future__ import annotations

from typing import TypeVar

from ... import nn, ops
from ...autograd import Tensor
from ...errors import OptionError
from ...kernels.arrays import Array, Shape
from .conditional import ConditionalUpBlock, in_turn
from .resnet import ResNetGenerator
from .spectral import WEIGHTED, normalise_spectrally, raw_weight

_M = TypeVar("_M", bound=nn.Module)
_CHUNKS = 4  # of z: the first layer's and one for each block


def orthogonal_init(net: _M) -> _M:
    """Make the weights of all convolutions, dense layers and tables orthogonal; return ``net``.

    Source: arXiv:1809.11096, section 3.
    """
    for layer in net.modules():
        if isinstance(layer, (*WEIGHTED, nn.Embedding)):
            nn.init.orthogonal_(raw_weight(layer))
    return net


class BigGANGenerator(ResNetGenerator):
    """G of z and a class. Shapes: z (N, nz), y (N,) integers -> (N, C, S, S) in [-1, 1].

    Args:
        nz: length of z, a multiple of 4.
        image_shape: (C, S, S), S a multiple of 8.
        num_classes: K.
        ngf: channels of every hidden layer.
        shared: length of a class's vector.

    Raises:
        OptionError: the samples are not such images, or z can't be cut in four.
    """

    def __init__(
        self,
        nz: int,
        image_shape: Shape,
        *,
        num_classes: int,
        ngf: int = 256,
        shared: int = 128,
    ) -> None:
        if nz < _CHUNKS or nz % _CHUNKS:
            raise OptionError(
                f"biggan: nz {nz}: a multiple of {_CHUNKS} fits, a part for each block and for the "
                "first layer"
            )
        chunk = nz // _CHUNKS
        super().__init__(chunk, image_shape, ngf=ngf)
        self.nz, self.num_classes = nz, num_classes
        self.shared = nn.Embedding(num_classes, shared)
        self.block2 = ConditionalUpBlock(ngf, cond_dim=shared + chunk)
        self.block3 = ConditionalUpBlock(ngf, cond_dim=shared + chunk)
        self.block4 = ConditionalUpBlock(ngf, cond_dim=shared + chunk)
        normalise_spectrally(orthogonal_init(self))

    def forward(self, z: Tensor, y: Array | None = None) -> Tensor:
        """Make images of the classes ``y``, or of all in turn."""
        y = in_turn(z, self.num_classes) if y is None else y
        first, *chunks = ops.split(z, _CHUNKS, 1)
        h, e = self.l1(first).reshape(-1, self.ngf, self.base, self.base), self.shared(y)
        for block, chunk in zip((self.block2, self.block3, self.block4), chunks, strict=True):
            h = block(h, ops.concatenate([e, chunk], 1))
        return ops.tanh(self.c5(self.b5(h, negative_slope=0.0)))
