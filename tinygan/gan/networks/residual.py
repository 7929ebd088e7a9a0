"""CycleGAN's generator: images to images through residual blocks at a quarter of the resolution.

    c7s1-ngf     mirror padding 3, conv 7, norm, ReLU
    d2ngf d4ngf  conv 3 stride 2, norm, ReLU                    half the size each
    R4ngf x n    x + (mirror padding 1, conv 3, norm, ReLU, mirror padding 1, conv 3, norm)
    u2ngf ungf   convT 3 stride 2, norm, ReLU                   twice the size each
    c7s1-C       mirror padding 3, conv 7, tanh

with instance norm (arXiv:1607.08022), n = 6 blocks for images of 128 pixels and 9 from 256 on.

Zhu, Park, Isola & Efros, arXiv:1703.10593, section 4 and appendix 7.2, after Johnson et al.,
arXiv:1603.08155. Weights are N(0, 0.02), biases 0.
"""

from __future__ import annotations

from ... import nn, ops
from ...autograd import Tensor
from ...errors import OptionError, ShapeError
from ...kernels.arrays import Shape
from .patchgan import translation_init

_HALVINGS = 2
LEAST = 8  # pixels a side: mirror padding needs more pixels than it adds, at a quarter of them too


class ResidualBlock(nn.Module):
    """x + its residual. Shapes: x (N, C, H, W) -> the same; H, W at least 2.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(channels, channels, 3, 1, 1, padding_mode="reflect")
        self.n1 = nn.InstanceNorm2d(channels)
        self.c2 = nn.Conv2d(channels, channels, 3, 1, 1, padding_mode="reflect")
        self.n2 = nn.InstanceNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Add the residual."""
        y: Tensor = x + self.n2(self.c2(ops.relu(self.n1(self.c1(x)))))
        return y


class ResidualGenerator(nn.Module):
    """Images to images. Shapes: x (N, C, H, W) -> (N, D, H, W) in [-1, 1].

    H and W are multiples of 4, and 8 or more.

    Args:
        source_shape: (C, H, W).
        out_channels: D.
        ngf: channels of the first layer.
        blocks: residual blocks, 1 or more.

    Raises:
        OptionError: the images have other sizes, or there is no block.
    """

    def __init__(
        self, source_shape: Shape, out_channels: int, *, ngf: int = 64, blocks: int = 9
    ) -> None:
        super().__init__()
        if len(source_shape) != 3 or blocks < 1 or not _fits(source_shape[1:]):
            raise OptionError(
                f"a generator of {blocks} residual blocks: 1 block or more, and images (C, H, W) "
                f"whose sides are multiples of 4, {LEAST} or more, fit; the data have "
                f"{tuple(source_shape)}"
            )
        layers: list[nn.Module] = [
            nn.Conv2d(source_shape[0], ngf, 7, 1, 3, padding_mode="reflect"),
            *(nn.InstanceNorm2d(ngf), nn.ReLU()),
        ]
        for k in range(_HALVINGS):
            width = ngf * 2**k
            layers += [nn.Conv2d(width, 2 * width, 3, 2, 1), nn.InstanceNorm2d(2 * width)]
            layers.append(nn.ReLU())
        layers += [ResidualBlock(ngf * 2**_HALVINGS) for _ in range(blocks)]
        for k in reversed(range(_HALVINGS)):
            width = ngf * 2**k
            layers += [
                nn.ConvTranspose2d(2 * width, width, 3, 2, 1, output_padding=1),
                *(nn.InstanceNorm2d(width), nn.ReLU()),
            ]
        layers += [nn.Conv2d(ngf, out_channels, 7, 1, 3, padding_mode="reflect"), nn.Tanh()]
        self.main = nn.Sequential(*layers)
        self.apply(translation_init)

    def forward(self, x: Tensor) -> Tensor:
        """Translate images.

        Raises:
            ShapeError: a side is no multiple of 4, or too small.
        """
        if not _fits(x.shape[2:]):
            raise ShapeError(f"x {x.shape}: sides that are multiples of 4, {LEAST} or more, fit")
        images: Tensor = self.main(x)
        return images


def _fits(sides: Shape) -> bool:
    return all(side % 2**_HALVINGS == 0 and side >= LEAST for side in sides)
