"""The blocks of Inception-v3: chains of convolutions on one input, their outputs side by side.

    A (35 x 35)   1x1 | 1x1, 5x5 | 1x1, 3x3, 3x3 | pool, 1x1
    B (to 17)     3x3 s2 | 1x1, 3x3, 3x3 s2 | max-pool s2
    C (17 x 17)   1x1 | 1x1, 1x7, 7x1 | 1x1, 7x1, 1x7, 7x1, 1x7 | pool, 1x1
    D (to 8)      1x1, 3x3 s2 | 1x1, 1x7, 7x1, 3x3 s2 | max-pool s2
    E (8 x 8)     1x1 | 1x1, (1x3 | 3x1) | 1x1, 3x3, (1x3 | 3x1) | pool, 1x1

A convolution is followed by batch norm (eps 1e-3) and ReLU. Names are those of torchvision's state
dict. Paper: Szegedy et al., arXiv:1512.00567, figures 5 to 7 and 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from .. import nn, ops
from ..autograd import Tensor
from ..autograd.linear import concatenate

_EPS = 1e-3  # of the batch norms, in both published nets

Size: TypeAlias = int | tuple[int, int]
Pool: TypeAlias = Literal["average", "average_with_padding", "max", "max_stride_2"]


@dataclass(frozen=True)
class Conv:
    """A convolution in a chain; of stride 1 it keeps the size, of stride 2 it takes no padding."""

    name: str
    channels: int
    size: Size
    stride: int = 1

    @property
    def padding(self) -> Size:
        """Pixels on each side."""
        if self.stride > 1:
            return 0
        r, s = (self.size, self.size) if isinstance(self.size, int) else self.size
        return r // 2, s // 2


Step: TypeAlias = Conv | Pool | tuple[Conv, ...]  # a tuple: side by side
Chain: TypeAlias = tuple[Step, ...]


class ConvNorm(nn.Module):
    """Convolution, batch norm, ReLU; or, once folded, a convolution with bias and ReLU.

    Shapes: x (N, C, H, W) -> (N, O, P, Q).
    """

    def __init__(self, c: int, o: int, size: Size, stride: int = 1, padding: Size = 0) -> None:
        self.conv = nn.Conv2d(c, o, size, stride, padding, bias=False)
        self.bn: nn.BatchNorm2d | None = nn.BatchNorm2d(o, eps=_EPS)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        if self.bn is not None:
            y: Tensor = self.bn(self.conv(x), negative_slope=0.0)
            return y
        y = ops.conv2d(x, self.conv.weight, stride=self.stride, padding=self.padding)
        return ops.bias_act(y, self.conv.bias, act="relu")

    def fold(self) -> None:
        """Move the batch norm's running statistics and affine map into the convolution.

        gamma (w * x - mean) / sqrt(var + eps) + beta = (scale w) * x + (beta - scale mean)
        """
        if self.bn is None:
            return
        norm = {name: a.astype(np.float64) for name, a in self.bn.state_dict().items()}
        scale = norm["weight"] / np.sqrt(norm["running_var"] + self.bn.eps)
        bias = norm["bias"] - scale * norm["running_mean"]
        weight = self.conv.weight.numpy() * scale[:, None, None, None]
        self.conv.weight = nn.Parameter(weight.astype(np.float32))
        self.conv.bias = nn.Parameter(bias.astype(np.float32))
        self.bn = None


def pooled(x: Tensor, kind: Pool) -> Tensor:
    """Pool windows of 3 x 3; only ``max_stride_2`` makes the image smaller.

    Shapes: (N, C, H, W) -> (N, C, H, W) or, by stride 2, (N, C, (H - 1) // 2, (W - 1) // 2).
    """
    if kind == "max_stride_2":
        return ops.max_pool2d(x, 3, 2)
    if kind == "max":
        return ops.max_pool2d(x, 3, 1, 1)
    return ops.avg_pool2d(x, 3, 1, 1, count_include_pad=kind == "average_with_padding")


class Block(nn.Module):
    """Chains on one input, their outputs side by side along the channels.

    Args:
        channels: of the input.
        *chains: what each chain runs, from left to right.
    """

    def __init__(self, channels: int, *chains: Chain) -> None:
        self.chains = chains
        for chain in chains:
            self._build(channels, chain)

    def _build(self, channels: int, chain: Chain) -> None:
        """Make the layers of a chain, attributes by their names in a state dict."""
        for step in chain:
            if isinstance(step, str):
                continue
            convs = step if isinstance(step, tuple) else (step,)
            for conv in convs:
                shape = (channels, conv.channels, conv.size, conv.stride, conv.padding)
                setattr(self, conv.name, ConvNorm(*shape))
            channels = sum(conv.channels for conv in convs)

    def _run(self, x: Tensor, step: Step) -> Tensor:
        if isinstance(step, tuple):
            return concatenate([self._run(x, conv) for conv in step], axis=1)
        if isinstance(step, str):
            return pooled(x, step)
        y: Tensor = getattr(self, step.name)(x)
        return y

    def forward(self, x: Tensor) -> Tensor:
        """Run all chains."""
        outputs = []
        for chain in self.chains:
            y = x
            for step in chain:
                y = self._run(y, step)
            outputs.append(y)
        return concatenate(outputs, axis=1)


def block_a(channels: int, pool: Pool, pool_features: int) -> Block:
    """Build a block at 35 x 35. Shapes: (N, C, 35, 35) -> (N, 224 + pool_features, 35, 35)."""
    return Block(
        channels,
        (Conv("branch1x1", 64, 1),),
        (Conv("branch5x5_1", 48, 1), Conv("branch5x5_2", 64, 5)),
        (
            Conv("branch3x3dbl_1", 64, 1),
            Conv("branch3x3dbl_2", 96, 3),
            Conv("branch3x3dbl_3", 96, 3),
        ),
        (pool, Conv("branch_pool", pool_features, 1)),
    )


def block_b(channels: int) -> Block:
    """Build the block that halves 35 x 35. Shapes: (N, C, 35, 35) -> (N, C + 480, 17, 17)."""
    return Block(
        channels,
        (Conv("branch3x3", 384, 3, stride=2),),
        (
            Conv("branch3x3dbl_1", 64, 1),
            Conv("branch3x3dbl_2", 96, 3),
            Conv("branch3x3dbl_3", 96, 3, stride=2),
        ),
        ("max_stride_2",),
    )


def block_c(channels: int, pool: Pool, c7: int) -> Block:
    """Build a block at 17 x 17. Shapes: (N, C, 17, 17) -> (N, 768, 17, 17).

    Args:
        channels: C.
        pool: of the last chain.
        c7: channels between the 1 x 7 and 7 x 1 convolutions, whose pairs see 7 x 7 pixels.
    """
    return Block(
        channels,
        (Conv("branch1x1", 192, 1),),
        (
            Conv("branch7x7_1", c7, 1),
            Conv("branch7x7_2", c7, (1, 7)),
            Conv("branch7x7_3", 192, (7, 1)),
        ),
        (
            Conv("branch7x7dbl_1", c7, 1),
            Conv("branch7x7dbl_2", c7, (7, 1)),
            Conv("branch7x7dbl_3", c7, (1, 7)),
            Conv("branch7x7dbl_4", c7, (7, 1)),
            Conv("branch7x7dbl_5", 192, (1, 7)),
        ),
        (pool, Conv("branch_pool", 192, 1)),
    )


def block_d(channels: int) -> Block:
    """Build the block that halves 17 x 17. Shapes: (N, C, 17, 17) -> (N, C + 512, 8, 8)."""
    return Block(
        channels,
        (Conv("branch3x3_1", 192, 1), Conv("branch3x3_2", 320, 3, stride=2)),
        (
            Conv("branch7x7x3_1", 192, 1),
            Conv("branch7x7x3_2", 192, (1, 7)),
            Conv("branch7x7x3_3", 192, (7, 1)),
            Conv("branch7x7x3_4", 192, 3, stride=2),
        ),
        ("max_stride_2",),
    )


def block_e(channels: int, pool: Pool) -> Block:
    """Build a block at 8 x 8. Shapes: (N, C, 8, 8) -> (N, 2048, 8, 8)."""

    def both(name: str) -> tuple[Conv, Conv]:
        return Conv(f"{name}a", 384, (1, 3)), Conv(f"{name}b", 384, (3, 1))

    return Block(
        channels,
        (Conv("branch1x1", 320, 1),),
        (Conv("branch3x3_1", 384, 1), both("branch3x3_2")),
        (
            Conv("branch3x3dbl_1", 448, 1),
            Conv("branch3x3dbl_2", 384, 3),
            both("branch3x3dbl_3"),
        ),
        (pool, Conv("branch_pool", 192, 1)),
    )
