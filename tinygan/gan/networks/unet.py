"""U-Net: an encoder and a decoder of convolutions of stride 2, with a skip at each resolution.

    down_k   LeakyReLU, conv 4 stride 2, norm             k = 1 ... depth: half the size each
    up_k     ReLU, convT 4 stride 2, norm [, dropout]     from the deepest to the first
    up_k is given the output of up_(k+1) beside that of down_k: the skip

so what is alike in both images, where its outlines are, need not pass the bottleneck. There is no
z: noise is dropout of 1/2 in the three deepest layers of the decoder, and stays on when the net is
used (``training`` does not matter), as in the paper.

Isola, Zhu, Zhou & Efros, arXiv:1611.07004, section 3.2.1 and appendix 6.1.1: depth 8 for 256
pixels, widths ngf (1, 2, 4, 8, 8, 8, 8, 8), weights N(0, 0.02). As in the paper's erratum the
bottleneck has no norm (of one pixel it would leave nothing), nor have the first and the last layer.

*Deviation*: batch norm by the statistics of the batch, of one image, is instance norm; so it is
here at any batch size.
"""

from __future__ import annotations

from ... import nn, ops, random
from ...autograd import Tensor
from ...errors import OptionError, ShapeError
from ...kernels.arrays import Shape
from .patchgan import SLOPE, translation_init

_WIDEST = 8  # channels over ngf
_NOISY = 3  # layers of the decoder with dropout


class NoiseDropout(nn.Module):
    """Dropout that is noise: on in evaluation mode, too. Shapes: as x. Differentiable: any order.

    Args:
        p: probability that an entry becomes 0, from 0 on and below 1.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return ops.dropout(x, self.p, mask_stream=random.current().stream("dropout"))


class UNetGenerator(nn.Module):
    """Images to images. Shapes: x (N, C, H, W) -> (N, D, H, W) in [-1, 1].

    H and W are multiples of 2 ** depth.

    Args:
        source_shape: (C, H, W).
        out_channels: D.
        ngf: channels of the first layer.
        depth: halvings; 0 takes as many as fit, 8 at most.
        dropout: probability of the noise, from 0 on and below 1.

    Raises:
        OptionError: the images can't be halved as often, or dropout is no such probability.
    """

    def __init__(
        self,
        source_shape: Shape,
        out_channels: int,
        *,
        ngf: int = 64,
        depth: int = 0,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.depth = depth or _halvings(source_shape)
        if (
            len(source_shape) != 3
            or self.depth < 2
            or any(side % 2**self.depth for side in source_shape[1:])
        ):
            raise OptionError(
                f"U-Net of depth {depth or '2 and more'} takes images (C, H, W) whose sides are "
                f"multiples of {2 ** (depth or 2)}; the data have {tuple(source_shape)}"
            )
        if not 0.0 <= dropout < 1.0:
            raise OptionError(f"U-Net: dropout {dropout}: a probability from 0 on, below 1, fits")
        widths = [ngf * min(2**k, _WIDEST) for k in range(self.depth)]
        ins = [source_shape[0], *widths[:-1]]
        self.down = nn.ModuleList(
            _down(k, c, d, last=k == self.depth - 1)
            for k, (c, d) in enumerate(zip(ins, widths, strict=True))
        )
        # behind the deepest layer the decoder sees the skip beside what comes from below
        outs = [out_channels, *widths[:-1]]
        self.up = nn.ModuleList(
            _up(k, widths[k] * (1 if k == self.depth - 1 else 2), outs[k], self.depth, dropout)
            for k in range(self.depth)
        )
        self.apply(translation_init)

    def forward(self, x: Tensor) -> Tensor:
        """Translate images.

        Raises:
            ShapeError: a side is no multiple of 2 ** depth.
        """
        if any(side % 2**self.depth for side in x.shape[2:]):
            raise ShapeError(f"U-Net: x {x.shape}: sides that are multiples of {2**self.depth} fit")
        skips = []
        for layer in self.down:
            x = layer(x)
            skips.append(x)
        x = self.up[-1](skips.pop())
        for layer in list(self.up)[-2::-1]:
            x = layer(ops.concatenate([x, skips.pop()], axis=1))
        return ops.tanh(x)


def _halvings(source_shape: Shape) -> int:
    """Count how often both sides can be halved, 8 times at most."""
    return max((k for k in range(9) if not any(s % 2**k for s in source_shape[1:])), default=0)


def _down(k: int, inside: int, outside: int, *, last: bool) -> nn.Module:
    conv = nn.Conv2d(inside, outside, 4, 2, 1, bias=False)
    if k == 0:
        return nn.Sequential(conv)
    norm = [] if last else [nn.InstanceNorm2d(outside, affine=True)]
    return nn.Sequential(nn.LeakyReLU(SLOPE), conv, *norm)


def _up(k: int, inside: int, outside: int, depth: int, dropout: float) -> nn.Module:
    conv = nn.ConvTranspose2d(inside, outside, 4, 2, 1, bias=k == 0)
    if k == 0:
        return nn.Sequential(nn.ReLU(), conv)
    noise = [NoiseDropout(dropout)] if k >= depth - _NOISY else []
    return nn.Sequential(nn.ReLU(), conv, nn.InstanceNorm2d(outside, affine=True), *noise)
