"""SNGAN's residual networks for CIFAR-10, generator and discriminator.

    G   z -> Linear, base x base -> (block, twice the size) x 3 -> BN, ReLU -> conv 3 -> tanh
    D   x -> first block, half the size -> block, half the size -> block x 2 -> ReLU
          -> sum over pixels -> Linear -> logit

    block of G    x + the residual:  BN, ReLU, up, conv 3, BN, ReLU, conv 3;   skip  up, conv 1
    block of D    ReLU, conv 3, ReLU, conv 3 [, pool];                         skip [conv 1, pool]
    first of D    conv 3, ReLU, conv 3, pool;                                  skip  pool, conv 1

Miyato, Kataoka, Koyama & Yoshida, arXiv:1802.05957, table 3 and figure 8, with 256 channels in G
and 128 in D, and spectral norm on every layer of D. Where the paper leaves it open, as the authors'
code has it: Glorot-uniform weights with gain sqrt(2) in the residuals' 3 x 3 and 1 elsewhere,
biases 0, none in D's last layer, batch norm's eps 2e-5. A block whose size stays has no
convolution on its skip: it adds x itself.

Rewrites, each equal to the definition but for rounding:

- up, then conv 3, is ``ops.upsample_conv2d``, and conv 3, then pool, ``ops.conv2d_avg_pool``: 2.25
  times fewer multiplications. Spectral norm divides the 3 x 3 weight, as defined; then the rewrite
  maps the normalised one.
- A 1 x 1 convolution mixes channels and leaves pixels where they are, resampling the other way
  round: the two commute. So it runs where there are fewer pixels, before up and after pool: 4 times
  fewer multiplications. (Its bias commutes as well: weights of an average add up to 1.)

State-dict keys are the authors' names with dots: ``l1.weight``, ``block2.c1.weight``,
``block2.c_sc.weight``, ``block2.b1.running_mean``, ..., ``b5.weight``, ``c5.weight`` in G;
``block1.c1.weight_orig``, ``block1.c1.weight_u``, ..., ``l5.weight_orig`` in D.

Exercise: count the multiplications of a block of G with and without both rewrites. Then take
``_UpConv`` out, and see with ``explain`` which kernels run: Winograd narrows the gap; why?
"""

from __future__ import annotations

from math import sqrt
from typing import TypeVar

from ... import nn, ops
from ...autograd import Tensor
from ...errors import OptionError
from ...kernels.arrays import Shape
from .spectral import normalise_spectrally

EPS = 2e-5  # of batch norm, the default of the authors' framework
_UPS = 3  # blocks of G
_DOWNS = 2  # blocks of D that halve the size

_GAIN = sqrt(2.0)  # of the residuals' initial weights
_L = TypeVar("_L", nn.Conv2d, nn.Linear)


def _glorot(layer: _L, gain: float = 1.0) -> _L:
    """Draw a layer's weight from Glorot's uniform distribution and clear its bias."""
    nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class _UpConv(nn.Conv2d):
    """Upsample, then convolve 3 x 3. Shapes: x (N, C, H, W) -> (N, O, 2H, 2W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply both in one step."""
        return ops.upsample_conv2d(x, self.weight, self.bias)


class _ConvDown(nn.Conv2d):
    """Convolve 3 x 3, then average 2 x 2. Shapes: x (N, C, H, W) -> (N, O, H/2, W/2)."""

    per_sample = True  # see gan/judge.py

    def forward(self, x: Tensor) -> Tensor:
        """Apply both in one step."""
        return ops.conv2d_avg_pool(x, self.weight, self.bias)


class UpBlock(nn.Module):
    """Residual block of G. Shapes: x (N, C, H, W) -> (N, O, 2H, 2W).

    Args:
        in_channels: C.
        out_channels: O.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.c1 = _glorot(_UpConv(in_channels, out_channels, 3, 1, 1), _GAIN)
        self.c2 = _glorot(nn.Conv2d(out_channels, out_channels, 3, 1, 1), _GAIN)
        self.b1 = nn.BatchNorm2d(in_channels, eps=EPS)
        self.b2 = nn.BatchNorm2d(out_channels, eps=EPS)
        self.c_sc = _glorot(nn.Conv2d(in_channels, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Add the residual to the skip."""
        h = self.c1(self.b1(x, negative_slope=0.0))
        h = self.c2(self.b2(h, negative_slope=0.0))
        y: Tensor = h + ops.upsample_nearest(self.c_sc(x), 2)
        return y


class DownBlock(nn.Module):
    """Residual block of D. Shapes: x (N, C, H, W) -> (N, O, H/2, W/2), or (N, C, H, W).

    Args:
        in_channels: C.
        out_channels: O; C unless ``down``.
        down: halve the size.
        first: x is an image: no ReLU before the first convolution.
    """

    per_sample = True  # see gan/judge.py

    def __init__(
        self, in_channels: int, out_channels: int, *, down: bool, first: bool = False
    ) -> None:
        super().__init__()
        hidden = out_channels if first else in_channels
        last = _ConvDown if down else nn.Conv2d
        self.c1 = _glorot(nn.Conv2d(in_channels, hidden, 3, 1, 1), _GAIN)
        self.c2 = _glorot(last(hidden, out_channels, 3, 1, 1), _GAIN)
        self.c_sc = _glorot(nn.Conv2d(in_channels, out_channels, 1)) if down else None
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        """Add the residual to the skip."""
        h = self.c1(x if self.first else ops.relu(x))
        h = self.c2(ops.relu(h))
        y: Tensor = h + (x if self.c_sc is None else self.c_sc(ops.avg_pool2d(x, 2)))
        return y


class ResNetGenerator(nn.Module):
    """Latent vectors to images. Shapes: z (N, nz) -> (N, C, S, S) in [-1, 1].

    Args:
        nz: length of z; 128 in the paper.
        image_shape: (C, S, S), S a multiple of 8; (3, 32, 32) for CIFAR-10.
        ngf: channels of every hidden layer.

    Raises:
        OptionError: the samples are not such images.
    """

    def __init__(self, nz: int, image_shape: Shape, *, ngf: int = 256) -> None:
        super().__init__()
        self.nz, self.ngf = nz, ngf
        self.base = _side(image_shape, 2**_UPS) // 2**_UPS
        self.l1 = _glorot(nn.Linear(nz, ngf * self.base**2))
        self.block2 = UpBlock(ngf, ngf)
        self.block3 = UpBlock(ngf, ngf)
        self.block4 = UpBlock(ngf, ngf)
        self.b5 = nn.BatchNorm2d(ngf, eps=EPS)
        self.c5 = _glorot(nn.Conv2d(ngf, image_shape[0], 3, 1, 1))

    def forward(self, z: Tensor) -> Tensor:
        """Make images."""
        h = self.l1(z).reshape(-1, self.ngf, self.base, self.base)
        h = self.block4(self.block3(self.block2(h)))
        return ops.tanh(self.c5(self.b5(h, negative_slope=0.0)))


class ResNetDiscriminator(nn.Module):
    """Images to logits. Shapes: x (N, C, S, S) -> (N,).

    Args:
        image_shape: (C, S, S), S a multiple of 4; (3, 32, 32) for CIFAR-10.
        ndf: channels of every hidden layer.
        spectral_norm: False gives a critic for gradient penalties, as WGAN-GP uses one.

    Raises:
        OptionError: the samples are not such images.
    """

    per_sample = True  # see gan/judge.py

    def __init__(self, image_shape: Shape, *, ndf: int = 128, spectral_norm: bool = True) -> None:
        super().__init__()
        _side(image_shape, 2**_DOWNS)
        self.block1 = DownBlock(image_shape[0], ndf, down=True, first=True)
        self.block2 = DownBlock(ndf, ndf, down=True)
        self.block3 = DownBlock(ndf, ndf, down=False)
        self.block4 = DownBlock(ndf, ndf, down=False)
        self.l5 = _glorot(nn.Linear(ndf, 1, bias=False))
        if spectral_norm:
            normalise_spectrally(self)

    def features(self, x: Tensor) -> Tensor:
        """Return what the last layer sees. Shapes: x (N, C, S, S) -> (N, ndf)."""
        h = self.block4(self.block3(self.block2(self.block1(x))))
        return ops.sum(ops.relu(h), (2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Judge images."""
        logit: Tensor = self.l5(self.features(x))
        return logit.reshape(-1)


def _side(image_shape: Shape, multiple: int) -> int:
    """Return S of (C, S, S), a multiple of ``multiple``."""
    if len(image_shape) != 3 or image_shape[1] != image_shape[2] or image_shape[1] % multiple:
        raise OptionError(
            f"SNGAN's ResNet takes square images (C, S, S) whose side is a multiple of {multiple}, "
            f"as (3, 32, 32); the data have {tuple(image_shape)}"
        )
    return image_shape[1]
