"""StyleGAN's two networks: styles scale and shift the normalised features of every layer (AdaIN).

    G   constant, base x base -> [epilogue, conv 3, epilogue] -> [up, blur, epilogue, conv 3,
        epilogue] x K -> conv 1 -> image
    epilogue   + noise -> + bias, LeakyReLU 0.2 -> AdaIN by its own style
    D   conv 1 -> [conv 3, blur, conv 3, down] x K -> spread of the batch, conv 3, dense -> logit

``up`` repeats pixels, ``down`` averages 2 x 2, and both have a binomial filter, 1 2 1, beside them,
so that neither aliases. Block k has base * 2^k pixels a side and two styles, 2k and 2k + 1. All
weights have equalised learning rates.

Karras et al., arXiv:1812.04948, figure 1b, section 2 and appendix C; D is that of ProGAN
(arXiv:1710.10196, table 2) with the filters. *Deviations*: the networks don't grow, as in
arXiv:1912.04958, section 4; and the constant starts from N(0, 1), as there, not from 1 everywhere:
of that the first norm would divide rounding errors by a variance of 0. G's images are linear in the
last features, and are clipped to [-1, 1] outside training.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

from ... import nn, ops, random
from ...autograd import Tensor
from .style import (
    GAIN,
    SLOPE,
    Noises,
    PixelNoise,
    StyleDiscriminator,
    StyleGenerator,
    activated,
    repeated,
    zeros,
)

_BINOMIAL = (1, 2, 1)  # taps, arXiv:1812.04948, section 2


class _UpConv2d(nn.EqualConv2d):
    """Twice the side by repeated pixels, then the convolution: one op."""

    def _convolve(self, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        return ops.upsample_conv2d(x, w, b)


class _DownConv2d(nn.EqualConv2d):
    """The convolution, then means of 2 x 2 pixels: one op."""

    def _convolve(self, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        return ops.conv2d_avg_pool(x, w, b)


class Epilogue(nn.Module):
    """What follows every convolution of G: noise, bias, activation, style.

    Shapes: x (N, C, S, S), w (N, nw), noise (N or 1, 1, S, S) -> as x.

    Args:
        channels: C.
        side: S.
        nw: length of w.
    """

    def __init__(self, channels: int, side: int, nw: int) -> None:
        super().__init__()
        self.noise = PixelNoise(channels, side)
        self.bias = zeros(channels)
        self.norm = nn.AdaIN(channels, nw)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """Apply the layer."""
        x = ops.bias_act(self.noise(x, noise), self.bias, act="leaky_relu", alpha=SLOPE)
        y: Tensor = self.norm(x, w)
        return y


class StyleGANGenerator(StyleGenerator):
    """Latents to images by AdaIN; arguments, shapes and errors are those of ``StyleGenerator``."""

    def build(self, channels: int) -> None:
        """Make the layers of synthesis."""
        first, base = self.widths[0], self.base
        self.start = nn.Parameter(random.current().stream("init").normal((first, base, base)))
        convs: list[nn.Module] = [_conv(first, first)]
        for a, b in pairwise(self.widths):
            up = _UpConv2d(a, b, 3, padding=1, bias=False, gain=GAIN)
            convs += [nn.Sequential(up, nn.Blur(_BINOMIAL)), _conv(b, b)]
        self.convs = nn.ModuleList(convs)
        self.epilogues = nn.ModuleList(
            [Epilogue(w, base * 2**k, self.nw) for k, w in enumerate(self.widths) for _ in range(2)]
        )
        self.to_rgb = nn.EqualConv2d(self.widths[-1], channels, 1)

    def affines(self) -> list[list[nn.EqualLinear]]:
        """Return the maps from each style to scales and shifts."""
        return [[cast(Epilogue, layer).norm.style] for layer in self.epilogues]

    def synthesis(self, ws: Tensor, noises: Noises | None = None) -> Tensor:
        """Make images of a style for each layer; see ``StyleGenerator.synthesis``."""
        noises = self.check(ws, noises)
        x = self.epilogues[0](repeated(self.start, len(ws)), ws[:, 0], noises[0])
        for i, conv in enumerate(self.convs, 1):
            x = self.epilogues[i](conv(x), ws[:, i], noises[i])
        image: Tensor = self.to_rgb(x)
        return image


class StyleGANDiscriminator(StyleDiscriminator):
    """Images to logits; arguments, shapes, errors: those of ``StyleDiscriminator``."""

    def block(self, in_channels: int, out_channels: int) -> list[nn.Module]:
        """Make the layers that halve the side."""
        return [
            *activated(nn.EqualConv2d(in_channels, in_channels, 3, padding=1, gain=GAIN)),
            nn.Blur(_BINOMIAL),
            *activated(_DownConv2d(in_channels, out_channels, 3, padding=1, gain=GAIN)),
        ]


def _conv(in_channels: int, out_channels: int) -> nn.Module:
    """Return a convolution whose bias is the epilogue's."""
    return nn.EqualConv2d(in_channels, out_channels, 3, padding=1, bias=False, gain=GAIN)
