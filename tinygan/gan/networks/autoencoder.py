"""Discriminators that are autoencoders: D(x) is how badly x is reconstructed, its energy.

    EBGAN   D(x) = mean over entries of (Dec(Enc(x)) - x)^2      DCGAN's D and G, end to end
    BEGAN   D(x) = mean over entries of |Dec(Enc(x)) - x|        3 x 3 convolutions and ELU

EBGAN: Zhao, Mathieu & LeCun, arXiv:1609.03126, section 2.3 and appendix. Enc is DCGAN's D whose
last convolution gives a code in place of a logit, Dec is DCGAN's G on that code.
BEGAN: Berthelot, Schumm & Metz, arXiv:1703.10717, section 3.5 and figure 1. Widths of the encoder
grow linearly (n, 2n, 3n, ...), the decoder has n everywhere, and G is a decoder of its own.

Deviations: energies are means over a sample's entries, so that margins and learning rates mean the
same at every size. BEGAN's sides are 4 to 8 pixels times a power of 2, not of 8 alone; its
vanishing residuals, an option of the paper, are left out.
"""

from __future__ import annotations

from ... import nn, ops
from ...autograd import Tensor
from ...errors import OptionError
from ...kernels.arrays import Shape
from .dcgan import DCGANDiscriminator, DCGANGenerator, dcgan_init

_BASE = 8  # largest side of the innermost feature maps, as in the paper of BEGAN


def _mean_per_sample(x: Tensor) -> Tensor:
    return ops.mean(x, tuple(range(1, x.ndim)))


class EBGANDiscriminator(nn.Module):
    """Images to energies. Shapes: x (N, C, S, S) -> (N,), 0 or more.

    Args:
        image_shape: (C, S, S), of sides that DCGAN takes.
        ndf: channels of the encoder's first layer and of the decoder's last.
        code: length of Enc(x).

    Raises:
        OptionError: the samples are not such images.
    """

    per_sample = True  # see gan/judge.py

    def __init__(self, image_shape: Shape, *, ndf: int = 64, code: int = 100) -> None:
        super().__init__()
        *layers, head = DCGANDiscriminator(image_shape, ndf=ndf).main
        assert isinstance(head, nn.Conv2d)
        _, width, base, _ = head.weight.shape
        self.encoder = nn.Sequential(*layers, nn.Conv2d(width, code, base, 1, 0), nn.Flatten())
        self.encoder.apply(dcgan_init)
        self.decoder = DCGANGenerator(code, image_shape, ngf=ndf)

    def energy_and_code(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return D(x) and Enc(x). Shapes: x (N, C, S, S) -> (N,), (N, code)."""
        code: Tensor = self.encoder(x)
        return _mean_per_sample(ops.square(self.decoder(code) - x)), code

    def forward(self, x: Tensor) -> Tensor:
        """Return D(x)."""
        return self.energy_and_code(x)[0]


def began_stages(image_shape: Shape) -> tuple[int, int]:
    """Return (base, k) with side = base * 2^k and base 4 to 8.

    Raises:
        OptionError: the samples are not square images of such a side.
    """
    base, k = (image_shape[1], 0) if len(image_shape) == 3 else (0, 0)
    while base > _BASE and base % 2 == 0:
        base, k = base // 2, k + 1
    if not 4 <= base <= _BASE or image_shape[1] != image_shape[2]:
        raise OptionError(
            "BEGAN makes square images (C, S, S) whose side is 4 to 8 times a power of 2, as "
            f"(3, 32, 32); the data have {tuple(image_shape)}"
        )
    return base, k


class BEGANDecoder(nn.Module):
    """Codes to images, BEGAN's G and half of its D. Shapes: h (N, nz) -> (N, C, S, S).

    Args:
        nz: length of the code.
        image_shape: (C, S, S).
        nf: n, channels of every layer.

    Raises:
        OptionError: the samples are not such images.
    """

    per_sample = True  # see gan/judge.py

    def __init__(self, nz: int, image_shape: Shape, *, nf: int = 64) -> None:
        super().__init__()
        base, k = began_stages(image_shape)
        layers: list[nn.Module] = [
            nn.Linear(nz, nf * base**2),
            nn.Unflatten(1, (nf, base, base)),
        ]
        for stage in range(k + 1):
            layers += [nn.Upsample(scale_factor=2)] if stage else []
            layers += _pair(nf)
        self.main = nn.Sequential(*layers, nn.Conv2d(nf, image_shape[0], 3, 1, 1))

    def forward(self, h: Tensor) -> Tensor:
        """Make images."""
        images: Tensor = self.main(h)
        return images


class BEGANDiscriminator(nn.Module):
    """Images to energies. Shapes: x (N, C, S, S) -> (N,), 0 or more.

    Args:
        image_shape: (C, S, S).
        nf: n, channels of the first layer and of all of the decoder.
        code: length of Enc(x).

    Raises:
        OptionError: the samples are not such images.
    """

    per_sample = True  # see gan/judge.py

    def __init__(self, image_shape: Shape, *, nf: int = 64, code: int = 64) -> None:
        super().__init__()
        base, k = began_stages(image_shape)
        layers: list[nn.Module] = [nn.Conv2d(image_shape[0], nf, 3, 1, 1), nn.ELU()]
        for stage in range(1, k + 1):
            layers += _pair(stage * nf)
            layers += [nn.Conv2d(stage * nf, (stage + 1) * nf, 3, 2, 1), nn.ELU()]
        width = (k + 1) * nf
        layers += [*_pair(width), nn.Flatten(), nn.Linear(width * base**2, code)]
        self.encoder = nn.Sequential(*layers)
        self.decoder = BEGANDecoder(code, image_shape, nf=nf)

    def forward(self, x: Tensor) -> Tensor:
        """Return D(x)."""
        return _mean_per_sample(ops.abs(self.decoder(self.encoder(x)) - x))


def _pair(width: int) -> list[nn.Module]:
    return [
        nn.Conv2d(width, width, 3, 1, 1),
        nn.ELU(),
        nn.Conv2d(width, width, 3, 1, 1),
        nn.ELU(),
    ]
