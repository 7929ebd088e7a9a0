"""StarGAN's players: one G that changes images into any of K domains, one D that tells them too.

    G([x, 1_c])   CycleGAN's G, which the paper adapts, with the domain as K constant planes
    D(x)          (conv 4, stride 2, LeakyReLU) until 2 pixels are left: logits of patches, the mean
                  of which is D's score, and logits of the K domains

Choi et al., arXiv:1711.09020, tables IV and V. *Deviations*: padding of G by mirror images, kernels
of 3 in place of 4 where it changes the size, instance norms without scale and shift.
"""

from __future__ import annotations

from ... import nn, ops
from ...autograd import Tensor
from ...kernels.arrays import Array, Shape
from .conditional import in_turn, with_planes
from .residual import ResidualGenerator

_SLOPE = 0.01  # of LeakyReLU, table V


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
        self.num_classes = num_classes
        channels, *sides = image_shape
        self.net = ResidualGenerator(
            (channels + num_classes, *sides), channels, ngf=ngf, blocks=blocks
        )

    def forward(self, x: Tensor, y: Array | None = None) -> Tensor:
        """Change images into the domains ``y``, or into all in turn."""
        y = in_turn(x, self.num_classes) if y is None else y
        changed: Tensor = self.net(with_planes(x, y, self.num_classes))
        return changed


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
