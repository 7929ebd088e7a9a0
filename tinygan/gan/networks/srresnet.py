"""SRGAN's networks: SRResNet, which enlarges images four times, and the D that judges the result.

    G   conv 9 -> PReLU -> (block) x 16 -> conv 3, BN -> + the first PReLU's output
          -> (conv 3 to 4 times the channels, pixel shuffle 2, PReLU) x 2 -> conv 9
    block   x + the residual: conv 3, BN, PReLU, conv 3, BN
    D   conv 3 -> (conv 3, stride 2, BN | conv 3 to twice the channels, BN) ... at 1/16 of the side
          -> Linear 1024 -> Linear 1, LeakyReLU(.2) behind each but the last

Ledig et al., arXiv:1609.04802, figure 4: 64 channels; D has 64, 128, 256 and 512, and its dense
layer fixes the size that it judges. G takes any size: training crops, then whole images.

In evaluation mode G's images are clipped to [-1, 1], which is all that a picture can hold; in
training they are not, so that the loss has a slope wherever they lie.

Deviation: low-resolution images lie in [-1, 1] like the others, and not in [0, 1].
"""

from __future__ import annotations

from ... import nn, ops
from ...autograd import Tensor
from ...errors import OptionError
from ...kernels.arrays import Shape

SCALE = 4  # of the sides
_SLOPE = 0.2  # of LeakyReLU, section 2.1.1
_STAGES = 4  # of D, each of which halves the side
_HIDDEN = 16  # units of D's dense layer, as a multiple of ndf: 1024


class SRBlock(nn.Module):
    """x + BN(conv(PReLU(BN(conv(x))))). Shapes: x (N, C, H, W) -> the same."""

    def __init__(self, channels: int) -> None:
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.prelu = nn.PReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Add the residual."""
        h = self.prelu(self.bn1(self.conv1(x)))
        y: Tensor = x + self.bn2(self.conv2(h))
        return y


class SRResNet(nn.Module):
    """Images to images of four times the side. Shapes: x (N, C, H, W) -> (N, C, 4H, 4W).

    Args:
        channels: C of the images.
        ngf: channels of every hidden layer.
        blocks: residual blocks.

    Differentiable: any order, but for PReLU's kinks.
    """

    def __init__(self, channels: int = 3, *, ngf: int = 64, blocks: int = 16) -> None:
        self.head = nn.Sequential(nn.Conv2d(channels, ngf, 9, 1, 4), nn.PReLU())
        self.body = nn.Sequential(*(SRBlock(ngf) for _ in range(blocks)))
        self.join = nn.Sequential(nn.Conv2d(ngf, ngf, 3, 1, 1), nn.BatchNorm2d(ngf))
        ups: list[nn.Module] = []
        for _ in range(2):
            ups += [nn.Conv2d(ngf, 4 * ngf, 3, 1, 1), nn.PixelShuffle(2), nn.PReLU()]
        self.up = nn.Sequential(*ups)
        self.tail = nn.Conv2d(ngf, channels, 9, 1, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge images."""
        h = self.head(x)
        h = h + self.join(self.body(h))
        y: Tensor = self.tail(self.up(h))
        return y if self.training else ops.clip(y, -1.0, 1.0)


class SRDiscriminator(nn.Module):
    """High-resolution images to logits. Shapes: x (N, C, H, W) -> (N,).

    Args:
        image_shape: (C, H, W), H and W multiples of 16.
        ndf: channels of the first layer; 8 times as many at the end.

    Raises:
        OptionError: the samples are no such images.
    """

    per_sample = True  # see gan/judge.py

    def __init__(self, image_shape: Shape, *, ndf: int = 64) -> None:
        if len(image_shape) != 3 or image_shape[1] % 16 or image_shape[2] % 16:
            raise OptionError(
                "SRGAN's D takes images whose sides are multiples of 16, the data have "
                f"{tuple(image_shape)}: --crop 96 or --size 32 fits"
            )
        channels, height, width = image_shape
        layers: list[nn.Module] = [nn.Conv2d(channels, ndf, 3, 1, 1), nn.LeakyReLU(_SLOPE)]
        widths = [ndf * 2**k for k in range(_STAGES)]
        for k, now in enumerate(widths):
            layers += _stage(now, now, 2)
            if k + 1 < _STAGES:
                layers += _stage(now, widths[k + 1], 1)
        self.features = nn.Sequential(*layers)
        seen = widths[-1] * (height // 2**_STAGES) * (width // 2**_STAGES)
        self.classifier = nn.Sequential(
            nn.Linear(seen, _HIDDEN * ndf), nn.LeakyReLU(_SLOPE), nn.Linear(_HIDDEN * ndf, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Judge images."""
        h = self.features(x)
        logit: Tensor = self.classifier(h.reshape(h.shape[0], -1))
        return logit.reshape(-1)


def _stage(in_channels: int, out_channels: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(_SLOPE),
    ]
