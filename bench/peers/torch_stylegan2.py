"""StyleGAN2's synthesis in PyTorch, as people write it: one shared convolution, scales around it.

Names are those of tinygan's modules, so that its state dicts load. Filters run as depthwise
convolutions, which is the pure-PyTorch way of ``upfirdn2d``.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional


def filtered(x: torch.Tensor, f: torch.Tensor, padding: tuple[int, int]) -> torch.Tensor:
    """Run a symmetric filter over each channel; as much padding before and behind each axis."""
    channels = x.shape[1]
    x = functional.pad(x, (*padding, *padding))
    return functional.conv2d(x, f.expand(channels, 1, *f.shape), groups=channels)


class EqualLinear(nn.Module):
    """Linear with weights over sqrt(fan_in)."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outside, inside))
        self.bias = nn.Parameter(torch.empty(outside))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the layer."""
        return functional.linear(x, self.weight / math.sqrt(x.shape[1]), self.bias)


class ModulatedConv2d(nn.Module):
    """Scale x, convolve, scale y."""

    def __init__(self, inside, outside, kernel, nw, *, up=False, demodulate=True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outside, inside, kernel, kernel))
        self.style = EqualLinear(nw, inside)
        self.up, self.demodulate, self.padding = up, demodulate, kernel // 2

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """Apply the layer."""
        style = self.style(w)
        weight = self.weight / math.sqrt(self.weight[0].numel())
        x = x * style[:, :, None, None]
        if self.up:
            y = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        else:
            y = functional.conv2d(x, weight, padding=self.padding)
        if not self.demodulate:
            return y
        energy = style.square() @ weight.square().sum((2, 3)).t()
        return y * torch.rsqrt(energy + 1e-8)[:, :, None, None]


class PixelNoise(nn.Module):
    """Fixed noise with a learned scale."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1))
        self.register_buffer("noise", torch.empty(1, 1, side, side))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the layer."""
        return x + self.noise * self.weight


class StyledConv2d(nn.Module):
    """Modulated convolution, noise, bias, LeakyReLU times sqrt(2)."""

    def __init__(self, inside: int, outside: int, side: int, nw: int, *, up: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(inside, outside, 3, nw, up=up)
        if up:
            self.register_buffer("filter", torch.empty(4, 4))
        self.noise = PixelNoise(side)
        self.bias = nn.Parameter(torch.empty(outside))
        self.up = up

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """Apply the layer."""
        y = self.conv(x, w)
        if self.up:
            y = filtered(y, 4.0 * self.filter, (1, 1))
        y = self.noise(y) + self.bias[:, None, None]
        return functional.leaky_relu(y, 0.2) * math.sqrt(2.0)


class ToRGB(nn.Module):
    """Modulated 1 x 1 convolution to an image."""

    def __init__(self, inside: int, channels: int, nw: int) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(inside, channels, 1, nw, demodulate=False)
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """Apply the layer."""
        return self.conv(x, w) + self.bias[:, None, None]


class Blur(nn.Module):
    """Twice the side: zeros between the pixels, then the filter."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("resample_filter", torch.empty(4, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the layer."""
        n, c, h, w = x.shape
        x = functional.pad(x.reshape(n, c, h, 1, w, 1), (0, 1, 0, 0, 0, 1))
        return filtered(x.reshape(n, c, 2 * h, 2 * w), 4.0 * self.resample_filter, (2, 1))


class Synthesis(nn.Module):
    """Styles (N, L, nw) to images."""

    def __init__(self, side: int, channels: int, nw: int, nf: int, nf_max: int) -> None:
        super().__init__()
        last = (side // 4).bit_length() - 1
        widths = [min(nf * 2 ** (last - k), nf_max) for k in range(last + 1)]
        self.register_buffer("w_avg", torch.empty(nw))
        self.start = nn.Parameter(torch.empty(widths[0], 4, 4))
        convs = [StyledConv2d(widths[0], widths[0], 4, nw)]
        for k in range(1, last + 1):
            convs.append(StyledConv2d(widths[k - 1], widths[k], 4 * 2**k, nw, up=True))
            convs.append(StyledConv2d(widths[k], widths[k], 4 * 2**k, nw))
        self.convs = nn.ModuleList(convs)
        self.to_rgb = nn.ModuleList([ToRGB(width, channels, nw) for width in widths])
        self.enlarge = Blur()

    def forward(self, ws: torch.Tensor) -> torch.Tensor:
        """Make images."""
        x = self.convs[0](self.start.expand(len(ws), -1, -1, -1), ws[:, 0])
        image = self.to_rgb[0](x, ws[:, 1])
        for k in range(1, len(self.to_rgb)):
            x = self.convs[2 * k](self.convs[2 * k - 1](x, ws[:, 2 * k - 1]), ws[:, 2 * k])
            image = self.enlarge(image) + self.to_rgb[k](x, ws[:, 2 * k + 1])
        return image
