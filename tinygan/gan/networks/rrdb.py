"""ESRGAN's generator: residual blocks of dense blocks without batch norm, to four times the side.

    G       conv 3 -> (RRDB) x 23 -> conv 3 -> + the first convolution's output
              -> (nearest x 2, conv 3, LeakyReLU) x 2 -> conv 3, LeakyReLU -> conv 3
    RRDB    x + beta (dense(dense(dense(x))) )
    dense   x + beta h_5,   h_k = conv 3 of [x, h_1, ..., h_k-1], LeakyReLU(.2) but for the last

Wang et al., arXiv:1809.00219, section 3.1 and figure 4: 64 channels, 32 for h_1 to h_4, beta .2,
and weights of a tenth of Kaiming's deviation, without which so deep a net does not start to train.
The two enlargements, which the paper leaves open, are those of the authors' code. State-dict keys
are those of BasicSR's ``RRDBNet`` (``body.0.rdb1.conv1.weight``), so that its weights load.

In evaluation mode images are clipped to [-1, 1], as by ``SRResNet``. BasicSR's weights take and
give [0, 1]: move an image there before and back behind.
"""

from __future__ import annotations

from ... import nn, ops
from ...autograd import Tensor

BETA = 0.2  # residual scaling, section 3.1
_SLOPE = 0.2
_INIT = 0.1  # of Kaiming's deviation; the appendix, "smaller initialization"


class DenseBlock(nn.Module):
    """Five convolutions, each of all that came before. Shapes: x (N, C, H, W) -> the same.

    Args:
        channels: C.
        growth: channels of the first four convolutions.
    """

    def __init__(self, channels: int, growth: int) -> None:
        self.conv1 = _conv(channels, growth)
        self.conv2 = _conv(channels + growth, growth)
        self.conv3 = _conv(channels + 2 * growth, growth)
        self.conv4 = _conv(channels + 3 * growth, growth)
        self.conv5 = _conv(channels + 4 * growth, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Add the scaled residual."""
        seen = [x]
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen.append(_act(conv(ops.concatenate(seen, axis=1))))
        y: Tensor = x + BETA * self.conv5(ops.concatenate(seen, axis=1))
        return y


class RRDB(nn.Module):
    """Residual in residual: three dense blocks, scaled and added. Shapes: (N, C, H, W), same."""

    def __init__(self, channels: int, growth: int) -> None:
        self.rdb1 = DenseBlock(channels, growth)
        self.rdb2 = DenseBlock(channels, growth)
        self.rdb3 = DenseBlock(channels, growth)

    def forward(self, x: Tensor) -> Tensor:
        """Add the scaled residual."""
        y: Tensor = x + BETA * self.rdb3(self.rdb2(self.rdb1(x)))
        return y


class RRDBNet(nn.Module):
    """Images to images of four times the side. Shapes: x (N, C, H, W) -> (N, C, 4H, 4W).

    Args:
        channels: C of the images.
        ngf: channels of the hidden layers.
        growth: channels of a dense block's inner convolutions.
        blocks: residual blocks of three dense blocks.

    Differentiable: any order, but for the kinks of LeakyReLU.
    """

    def __init__(
        self, channels: int = 3, *, ngf: int = 64, growth: int = 32, blocks: int = 23
    ) -> None:
        self.conv_first = nn.Conv2d(channels, ngf, 3, 1, 1)
        self.body = nn.Sequential(*(RRDB(ngf, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(ngf, ngf, 3, 1, 1)
        self.conv_up1 = nn.Conv2d(ngf, ngf, 3, 1, 1)
        self.conv_up2 = nn.Conv2d(ngf, ngf, 3, 1, 1)
        self.conv_hr = nn.Conv2d(ngf, ngf, 3, 1, 1)
        self.conv_last = nn.Conv2d(ngf, channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge images."""
        h = self.conv_first(x)
        h = h + self.conv_body(self.body(h))
        for conv in (self.conv_up1, self.conv_up2):
            h = _act(ops.upsample_conv2d(h, conv.weight, conv.bias))
        y: Tensor = self.conv_last(_act(self.conv_hr(h)))
        return y if self.training else ops.clip(y, -1.0, 1.0)


def _act(x: Tensor) -> Tensor:
    return ops.leaky_relu(x, negative_slope=_SLOPE)


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    """Make a 3 x 3 convolution that starts near 0."""
    conv = nn.Conv2d(in_channels, out_channels, 3, 1, 1)
    nn.init.kaiming_normal_(conv.weight)  # BasicSR: of slope 0, fan in
    conv.weight.assign_(conv.weight.data * _INIT)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
