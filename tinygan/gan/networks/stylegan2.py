"""StyleGAN2's two networks: styles scale the filters; G adds images up, D has residual blocks.

    G   constant, base x base -> styled conv 3 -> RGB
        [styled conv 3, up -> styled conv 3 -> + RGB] x K,      image = up(image) + RGB
    styled conv   modulate, demodulate, convolve -> + noise -> + bias, LeakyReLU 0.2 times sqrt(2)
    D   conv 1 -> [(conv 3, conv 3 down) + (down, conv 1), over sqrt(2)] x K
        -> spread of the batch, conv 3, dense -> logit

``up`` and ``down`` run through the filter 1 3 3 1 (``upfirdn2d``): a transposed convolution of
stride 2 and then the filter; the filter and then a convolution of stride 2. Styles: the
convolution at base x base takes 0, block k takes 2k - 1 and 2k, and RGB of block k takes 2k + 1,
the style of the convolution that follows. RGB is modulated, not demodulated.

Karras et al., arXiv:1912.04958, figure 2d, figure 7 and appendix B. *Deviation*: the factor sqrt(2)
behind D's activations stands in D's weights, before the bias, so that biases learn faster by it.
G's images are linear, and are clipped to [-1, 1] outside training.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import numpy as np

from ... import nn, ops, random
from ...autograd import Tensor
from ...nn.norm import frozen
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

_TAPS = (1, 3, 3, 1)  # arXiv:1912.04958, appendix B


class StyledConv2d(nn.Module):
    """A convolution with a style, noise and activation.

    Shapes: x (N, C, S, S), w (N, nw) -> (N, O, S, S), or (N, O, 2S, 2S) if ``up``.

    Args:
        in_channels: C.
        out_channels: O.
        side: of the result, in pixels.
        nw: length of w.
        up: double the side.
    """

    def __init__(
        self, in_channels: int, out_channels: int, side: int, nw: int, *, up: bool = False
    ) -> None:
        super().__init__()
        sizes = (in_channels, out_channels, 3, nw)
        stride, padding = (2, 0) if up else (1, 1)
        self.conv = nn.ModulatedConv2d(*sizes, stride=stride, padding=padding, transposed=up)
        self.filter = _filter() if up else None
        self.noise = PixelNoise(1, side)  # one scale for all channels, as in the authors' code
        self.bias = zeros(out_channels)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """Apply the layer."""
        y: Tensor = self.conv(x, w)
        if self.filter is not None:  # (2S + 1) + 2 - 3 pixels; a gain of 4 as zeros were inserted
            y = ops.upfirdn2d(y, frozen(self.filter), padding=1, gain=4.0)
        return ops.bias_act(
            self.noise(y, noise), self.bias, act="leaky_relu", alpha=SLOPE, gain=GAIN
        )


class ToRGB(nn.Module):
    """Features to an image by a style. Shapes: x (N, C, S, S), w (N, nw) -> (N, channels, S, S).

    Args:
        in_channels: C.
        channels: of the image.
        nw: length of w.
    """

    def __init__(self, in_channels: int, channels: int, nw: int) -> None:
        super().__init__()
        self.conv = nn.ModulatedConv2d(in_channels, channels, 1, nw, demodulate=False)
        self.bias = zeros(channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Apply the layer."""
        return ops.bias_act(self.conv(x, w), self.bias)


class StyleGAN2Generator(StyleGenerator):
    """Latents to images by modulation; arguments, shapes, errors: those of ``StyleGenerator``."""

    def build(self, channels: int) -> None:
        """Make the layers of synthesis."""
        first, base = self.widths[0], self.base
        self.start = nn.Parameter(random.current().stream("init").normal((first, base, base)))
        convs = [StyledConv2d(first, first, base, self.nw)]
        for k, (a, b) in enumerate(pairwise(self.widths), 1):
            side = base * 2**k
            convs += [StyledConv2d(a, b, side, self.nw, up=True), StyledConv2d(b, b, side, self.nw)]
        self.convs = nn.ModuleList(convs)
        self.to_rgb = nn.ModuleList([ToRGB(w, channels, self.nw) for w in self.widths])
        self.enlarge = nn.Blur(_TAPS, up=2)

    def affines(self) -> list[list[nn.EqualLinear]]:
        """Return the maps from each style to factors of filters."""
        found = [[cast(StyledConv2d, layer).conv.style] for layer in self.convs]
        found.append([])  # the last style is RGB's alone
        for k, layer in enumerate(self.to_rgb):
            found[2 * k + 1].append(cast(ToRGB, layer).conv.style)
        return found

    def synthesis(self, ws: Tensor, noises: Noises | None = None) -> Tensor:
        """Make images of a style for each layer; see ``StyleGenerator.synthesis``."""
        noises = self.check(ws, noises)
        x = self.convs[0](repeated(self.start, len(ws)), ws[:, 0], noises[0])
        image: Tensor = self.to_rgb[0](x, ws[:, 1])
        for k in range(1, self.last + 1):
            for i in (2 * k - 1, 2 * k):
                x = self.convs[i](x, ws[:, i], noises[i])
            image = self.enlarge(image) + self.to_rgb[k](x, ws[:, 2 * k + 1])
        return image


class _DownConv2d(nn.EqualConv2d):
    """The filter, then a convolution of stride 2: half the side."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, stride=2, gain=GAIN)
        self.filter = _filter()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return super().forward(ops.upfirdn2d(x, frozen(self.filter), padding=2))  # S + 4 - 3


class ResidualDown(nn.Module):
    """D's block. Shapes: (N, C, S, S) -> (N, O, S / 2, S / 2).

    Args:
        in_channels: C.
        out_channels: O.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *activated(nn.EqualConv2d(in_channels, in_channels, 3, padding=1, gain=GAIN)),
            *activated(_DownConv2d(in_channels, out_channels)),
        )
        self.skip = nn.Sequential(
            nn.Blur(_TAPS, down=2), nn.EqualConv2d(in_channels, out_channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block; the sum of two branches is brought back to variance 1."""
        y: Tensor = (self.main(x) + self.skip(x)) * math.sqrt(0.5)
        return y


class StyleGAN2Discriminator(StyleDiscriminator):
    """Images to logits; arguments, shapes, errors: those of ``StyleDiscriminator``."""

    def block(self, in_channels: int, out_channels: int) -> list[nn.Module]:
        """Make the layers that halve the side."""
        return [ResidualDown(in_channels, out_channels)]


def _filter() -> nn.Buffer:
    """Return the low-pass filter 1 3 3 1 in both axes, of sum 1. Shapes: -> (4, 4)."""
    taps = np.array(_TAPS, np.float32) / sum(_TAPS)
    return nn.Buffer(random.current().xp.asarray(np.outer(taps, taps)))
