"""ProGAN's two networks, which grow: a block doubles the side, and each block can be the last.

    G   z -> block 0: base x base -> block 1: twice the side -> ... -> block K
    D   block K: half the side -> ... -> block 1 -> block 0: a logit

``growth`` says how far they are grown, a number g from 0 to K. At a whole number k the blocks 0 to
k are in use, between G's layer ``to_rgb[k]`` and D's ``from_rgb[k]``, and images have base * 2^k
pixels a side. In between, with k = ceil(g) and alpha = g - (k - 1), block k fades in:

    G:  (1 - alpha) up(to_rgb[k-1](h))      + alpha to_rgb[k](block_k(h))
    D:  (1 - alpha) from_rgb[k-1](down(x))  + alpha block_k(from_rgb[k](x))

where ``up`` repeats pixels and ``down`` averages 2 x 2 of them. All layers exist from the start, so
that a state dict has one shape; ``growth`` is a buffer among them, so that weights know their side.

Karras et al., arXiv:1710.10196, section 2, section 4 (equalised learning rates, ``nn.EqualConv2d``;
pixel norm in G) and table 2. G's images are linear in the last features, and are clipped to [-1, 1]
outside training; below the full side their pixels are repeated, as the paper shows them.
"""

from __future__ import annotations

import math

import numpy as np

from ... import nn, ops, random
from ...autograd import Tensor
from ...kernels.arrays import Shape, xp_of
from .dcgan import stages

_SLOPE = 0.2  # of LeakyReLU, appendix A
_GAIN = math.sqrt(2.0)  # of He's start, section 4.1


class _Growing(nn.Module):
    """What both networks share: widths, and how far they are grown."""

    blocks: nn.ModuleList
    rgb: nn.ModuleList

    def __init__(self, image_shape: Shape, nf: int, nf_max: int) -> None:
        super().__init__()
        self.base, self.last = stages(image_shape, "ProGAN")
        self.widths = [min(nf * 2 ** (self.last - k), nf_max) for k in range(self.last + 1)]
        self.growth = nn.Buffer(random.current().xp.asarray(self.last, np.float32))

    def grow(self, growth: float) -> None:
        """Set ``growth``, 0 to K."""
        self.growth.assign_(xp_of(self.growth.data).asarray(growth, self.growth.dtype))

    def stage(self) -> tuple[int, float]:
        """Return k, the last block in use, and alpha, its share; 1 if it is wholly faded in."""
        growth = float(self.growth)
        k = math.ceil(growth)
        return k, 1.0 - (k - growth)

    def side(self) -> int:
        """Return the side of the images that the blocks in use make and judge."""
        return int(self.base * 2 ** self.stage()[0])


class ProGANGenerator(_Growing):
    """Latent vectors to images. Shapes: z (N, nz) -> (N, C, S, S), in [-1, 1] in eval mode.

    Args:
        nz: length of z, which is normalised to the length sqrt(nz).
        image_shape: (C, S, S), S = base * 2^K with base 4 to 7.
        nf: channels at S pixels; twice as many at half the side, and so on.
        nf_max: channels of a layer, at most.

    Raises:
        OptionError: the samples are not square images of such a side.
    """

    per_sample = True  # see gan/judge.py

    def __init__(self, nz: int, image_shape: Shape, *, nf: int = 32, nf_max: int = 128) -> None:
        super().__init__(image_shape, nf, nf_max)
        width, base = self.widths[0], self.base
        start = nn.Sequential(
            nn.PixelNorm(),
            nn.EqualLinear(nz, width * base**2, gain=_GAIN / 4),  # as in the authors' code
            nn.Unflatten(1, (width, base, base)),
            *_activation(),
            *_convolution(width, width),
        )
        later = [
            nn.Sequential(nn.Upsample(scale_factor=2), *_convolution(a, b), *_convolution(b, b))
            for a, b in zip(self.widths, self.widths[1:], strict=False)
        ]
        self.blocks = nn.ModuleList([start, *later])
        self.rgb = nn.ModuleList([nn.EqualConv2d(w, image_shape[0], 1) for w in self.widths])

    def forward(self, z: Tensor) -> Tensor:
        """Make images of the full side."""
        image = self.at_stage(z)
        image = ops.upsample_nearest(image, 2 ** (self.last - self.stage()[0]))
        return image if self.training else ops.clip(image, -1.0, 1.0)

    def at_stage(self, z: Tensor) -> Tensor:
        """Make images of the side that the networks are grown to."""
        k, alpha = self.stage()
        h = below = self.blocks[0](z)
        for block in list(self.blocks)[1 : k + 1]:
            h, below = block(h), h
        image: Tensor = self.rgb[k](h)
        if alpha < 1.0:
            image = image * alpha + _up(self.rgb[k - 1](below)) * (1.0 - alpha)
        return image


class ProGANDiscriminator(_Growing):
    """Images to logits. Shapes: x (N, C, S, S), or of a smaller side: that of the stage -> (N,).

    Larger images than the stage's are averaged down to it. The spread of each group of 4 samples
    enters the last block (``nn.MinibatchStd``), so N is below 4 or a multiple of it.

    Args:
        image_shape: (C, S, S), S = base * 2^K with base 4 to 7.
        nf: channels at S pixels; twice as many at half the side, and so on.
        nf_max: channels of a layer, at most.

    Raises:
        OptionError: the samples are not square images of such a side.
    """

    def __init__(self, image_shape: Shape, *, nf: int = 32, nf_max: int = 128) -> None:
        super().__init__(image_shape, nf, nf_max)
        width = self.widths[0]
        end = nn.Sequential(
            nn.MinibatchStd(group_size=4),
            *_convolution(width + 1, width, norm=False),
            nn.Flatten(),
            nn.EqualLinear(width * self.base**2, width, gain=_GAIN),
            nn.LeakyReLU(_SLOPE),
            nn.EqualLinear(width, 1),
        )
        earlier = [
            nn.Sequential(
                *_convolution(b, b, norm=False), *_convolution(b, a, norm=False), nn.AvgPool2d(2)
            )
            for a, b in zip(self.widths, self.widths[1:], strict=False)
        ]
        self.blocks = nn.ModuleList([end, *earlier])
        self.rgb = nn.ModuleList(
            [
                nn.Sequential(
                    nn.EqualConv2d(image_shape[0], w, 1, gain=_GAIN), nn.LeakyReLU(_SLOPE)
                )
                for w in self.widths
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Judge images."""
        k, alpha = self.stage()
        x = shrink(x, self.side())
        h = self.rgb[k](x)
        for i in range(k, 0, -1):
            h = self.blocks[i](h)
            if i == k and alpha < 1.0:
                h = h * alpha + self.rgb[k - 1](_down(x)) * (1.0 - alpha)
        logit: Tensor = self.blocks[0](h)
        return logit.reshape(-1)

    def at_stage(self, x: Tensor) -> Tensor:
        """Return images of the data as the stage has them: shrunk, and as sharp as G's fakes.

        While a block fades in they are (1 - alpha) up(down(x)) + alpha x, as in the authors' code.
        """
        _, alpha = self.stage()
        x = shrink(x, self.side())
        return x if alpha == 1.0 else _up(_down(x)) * (1.0 - alpha) + x * alpha


def shrink(x: Tensor, side: int) -> Tensor:
    """Average images down to ``side`` pixels; smaller ones stay. Shapes: (N, C, S, S)."""
    factor = x.shape[-1] // side
    return ops.avg_pool2d(x, factor) if factor > 1 else x


def _up(x: Tensor) -> Tensor:
    return ops.upsample_nearest(x, 2)


def _down(x: Tensor) -> Tensor:
    return ops.avg_pool2d(x, 2)


def _activation(*, norm: bool = True) -> list[nn.Module]:
    return [nn.LeakyReLU(_SLOPE), *([nn.PixelNorm()] if norm else [])]


def _convolution(in_channels: int, out_channels: int, *, norm: bool = True) -> list[nn.Module]:
    conv = nn.EqualConv2d(in_channels, out_channels, 3, padding=1, gain=_GAIN)
    return [conv, *_activation(norm=norm)]
