"""DCGAN's generator and discriminator, for square images of 8 to 128 pixels and more.

    G   z -> convT base, base x base -> (convT 4, stride 2: twice the size) x k -> tanh
    D   (conv 4, stride 2: half the size) x k -> conv base -> logit

For a side of S = base * 2^k pixels with base 4 to 7: 64 = 4 * 2^4 as in the paper, 28 = 7 * 2^2.
Widths double with every halving of the image. Modules, order and state-dict keys are those of
PyTorch's DCGAN example (``main.0.weight``, ...), so at 64 pixels its weights load as they are.

Radford, Metz & Chintala, arXiv:1511.06434; kernel 4 instead of the paper's 5, as in the authors'
Lua code and in PyTorch's example. D returns logits, without the sigmoid.
"""

from __future__ import annotations

from ... import nn
from ...autograd import Tensor
from ...errors import OptionError
from ...kernels.arrays import Shape

_SLOPE = 0.2  # of LeakyReLU, section 3 of the paper
_STD = 0.02  # of the initial weights, the same section


def stages(image_shape: Shape, name: str = "DCGAN") -> tuple[int, int]:
    """Return (base, k) with side = base * 2^k and base 4 to 7; errors call the network ``name``.

    Raises:
        OptionError: the samples are not square images of such a side.
    """
    if len(image_shape) != 3 or image_shape[1] != image_shape[2]:
        raise OptionError(
            f"{name} makes square images (C, S, S), the data have {image_shape}; "
            "recipe gan also takes points"
        )
    base, k = image_shape[1], 0
    while base > 7 and base % 2 == 0:
        base, k = base // 2, k + 1
    if not 4 <= base <= 7 or k == 0:
        raise OptionError(
            f"{name}: a side of {image_shape[1]} pixels is not 4, 5, 6 or 7 times a power of 2; "
            "8, 16, 28, 32, 64, 128 are"
        )
    return base, k


class DCGANGenerator(nn.Module):
    """Latent vectors to images. Shapes: z (N, nz) or (N, nz, 1, 1) -> (N, C, S, S) in [-1, 1].

    Args:
        nz: length of z.
        image_shape: (C, S, S).
        ngf: channels of the last hidden layer, at S / 2 pixels.
    """

    per_sample = True  # see gan/judge.py: it decodes in EBGAN's D

    def __init__(self, nz: int, image_shape: Shape, *, ngf: int = 64) -> None:
        super().__init__()
        base, k = stages(image_shape)
        self.nz = nz
        width = ngf * 2 ** (k - 1)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(nz, width, base, 1, 0, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        for _ in range(k - 1):
            layers += [
                nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False),
                nn.BatchNorm2d(width // 2),
                nn.ReLU(),
            ]
            width //= 2
        layers += [nn.ConvTranspose2d(width, image_shape[0], 4, 2, 1, bias=False), nn.Tanh()]
        self.main = nn.Sequential(*layers)
        self.apply(dcgan_init)

    def forward(self, z: Tensor) -> Tensor:
        """Make images."""
        images: Tensor = self.main(z.reshape(-1, self.nz, 1, 1))
        return images


class DCGANDiscriminator(nn.Module):
    """Images to logits. Shapes: x (N, C, S, S) -> (N,).

    Args:
        image_shape: (C, S, S).
        ndf: channels of the first hidden layer, at S / 2 pixels.
        batch_norm: False gives a critic for gradient penalties: no batch norm, but biases.
    """

    per_sample = True  # see gan/judge.py

    def __init__(self, image_shape: Shape, *, ndf: int = 64, batch_norm: bool = True) -> None:
        super().__init__()
        base, k = stages(image_shape)
        bias, width = not batch_norm, ndf
        layers: list[nn.Module] = [
            nn.Conv2d(image_shape[0], width, 4, 2, 1, bias=bias),
            nn.LeakyReLU(_SLOPE),
        ]
        for _ in range(k - 1):
            layers.append(nn.Conv2d(width, 2 * width, 4, 2, 1, bias=bias))
            layers += [nn.BatchNorm2d(2 * width)] if batch_norm else []
            layers.append(nn.LeakyReLU(_SLOPE))
            width *= 2
        self.main = nn.Sequential(*layers, nn.Conv2d(width, 1, base, 1, 0, bias=bias))
        self.apply(dcgan_init)

    def forward(self, x: Tensor) -> Tensor:
        """Judge images."""
        out: Tensor = self.main(x)
        return out.reshape(-1)


def dcgan_init(module: nn.Module) -> None:
    """Draw a layer's weights as DCGAN does: convolutions N(0, 0.02), batch norm N(1, 0.02)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, _STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d) and module.weight is not None:
        nn.init.normal_(module.weight, 1.0, _STD)
