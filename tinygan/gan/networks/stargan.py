"""StarGAN's players: one G that changes images into any of K domains, one D that tells them too.

    G([x, 1_c])   conv 7 -> (conv 4, stride 2) x 2 -> residual block x R -> (convT 4, stride 2) x 2
                  -> conv 7 -> tanh; instance norm behind all but the first and the last
    D(x)          (conv 4, stride 2, LeakyReLU) until 2 pixels are left: logits of patches, the mean
                  of which is D's score, and logits of the K domains

Choi et al., arXiv:1711.09020, tables IV and V. *Deviations*: no instance norm behind G's first
layer. The domain joins the image as K constant planes; a convolution makes constants of them, and
the mean over the image, which that norm takes away, is all there is to a constant. In the paper's G
the domain gets past it at the border alone, by the zeros around; here G pads by mirror images.
"""

from __future__ import annotations

from ... import nn, ops
from ...autograd import Tensor
from ...errors import OptionError
from ...kernels.arrays import Array, Shape
from .conditional import in_turn, with_planes
from .residual import ResidualBlock

_SLOPE = 0.01  # of LeakyReLU, table V
_HALVINGS = 2  # in G


class StarGenerator(nn.Module):
    """Images and domains to images. Shapes: x (N, C, H, W), y (N,) integers -> (N, C, H, W).

    Args:
        image_shape: (C, H, W).
        num_classes: K, domains.
        ngf: channels behind the first layer.
        blocks: residual blocks.

    Raises:
        OptionError: the samples are no images whose sides are multiples of 4, 8 or more.
    """

    def __init__(self, image_shape: Shape, *, num_classes: int, ngf: int, blocks: int) -> None:
        super().__init__()
        check_sides(image_shape)
        self.num_classes = num_classes
        channels, width = image_shape[0], ngf
        layers: list[nn.Module] = [
            nn.Conv2d(channels + num_classes, width, 7, 1, 3, padding_mode="reflect"),
            nn.ReLU(),
        ]
        for _ in range(_HALVINGS):
            layers += _normed(nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), 2 * width)
            width *= 2
        layers += [ResidualBlock(width) for _ in range(blocks)]
        for _ in range(_HALVINGS):
            width //= 2
            layers += _normed(nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), width)
        last = nn.Conv2d(width, channels, 7, 1, 3, padding_mode="reflect")
        self.main = nn.Sequential(*layers, last, nn.Tanh())

    def forward(self, x: Tensor, y: Array | None = None) -> Tensor:
        """Change images into the domains ``y``, or into all in turn."""
        y = in_turn(x, self.num_classes) if y is None else y
        changed: Tensor = self.main(with_planes(x, y, self.num_classes))
        return changed


def check_sides(image_shape: Shape) -> None:
    """Raise unless G gets back to the size that it began with.

    Raises:
        OptionError: the samples are no images whose sides are multiples of 4, 8 pixels or more.
    """
    if len(image_shape) != 3 or min(image_shape[1:]) < 8 or any(s % 4 for s in image_shape[1:]):
        raise OptionError(
            "stargan changes images (C, H, W) whose sides are multiples of 4, 8 or more; the data "
            f"have {image_shape}"
        )


def _normed(conv: nn.Module, channels: int) -> tuple[nn.Module, ...]:
    return conv, nn.InstanceNorm2d(channels, affine=True), nn.ReLU()


class StarDiscriminator(nn.Module):
    """Images to scores and domains. Shapes: x (N, C, H, W) -> scores (N,), logits (N, K).

    Args:
        image_shape: (C, H, W).
        num_classes: K, domains.
        ndf: channels of the first hidden layer.
    """

    def __init__(self, image_shape: Shape, *, num_classes: int, ndf: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        layers: list[nn.Module] = []
        out = ndf
        while min(height, width) > 2:
            layers += [nn.Conv2d(channels, out, 4, 2, 1), nn.LeakyReLU(_SLOPE)]
            channels, out = out, 2 * out
            height, width = height // 2, width // 2
        self.main = nn.Sequential(*layers)
        self.patches = nn.Conv2d(channels, 1, 3, 1, 1, bias=False)
        self.domain = nn.Conv2d(channels, num_classes, (height, width), bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Judge images and tell their domains."""
        h = self.main(x)
        domain: Tensor = self.domain(h)
        return ops.mean(self.patches(h), (1, 2, 3)), domain.reshape(domain.shape[0], -1)
