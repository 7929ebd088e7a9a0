"""PyTorch's twin of our Inception-v3, built from the same table of blocks, batch norms unfolded."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tinygan.metrics import inception_blocks as ours
from tinygan.metrics.inception import InceptionV3

VARIANTS = ("eager", "channels last")


class ConvNorm(nn.Module):
    """Convolution, batch norm, ReLU, as people write it."""

    def __init__(self, layer: ours.ConvNorm) -> None:
        super().__init__()
        o, c, *size = layer.conv.weight.shape
        self.conv = nn.Conv2d(c, o, tuple(size), layer.stride, layer.padding, bias=False)
        self.bn = nn.BatchNorm2d(o, eps=layer.bn.eps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the layer."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Block(nn.Module):
    """The chains of one of our blocks."""

    def __init__(self, block: ours.Block) -> None:
        super().__init__()
        self.chains = block.chains
        for name, layer in vars(block).items():
            if isinstance(layer, ours.ConvNorm):
                self.add_module(name, ConvNorm(layer))

    def _run(self, x: torch.Tensor, step: Any) -> torch.Tensor:
        if isinstance(step, tuple):
            return torch.cat([self._run(x, conv) for conv in step], 1)
        return pooled(x, step) if isinstance(step, str) else getattr(self, step.name)(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run all chains."""
        outputs = []
        for chain in self.chains:
            y = x
            for step in chain:
                y = self._run(y, step)
            outputs.append(y)
        return torch.cat(outputs, 1)


def pooled(x: torch.Tensor, kind: str) -> torch.Tensor:
    """Pool windows of 3 x 3."""
    if kind == "max_stride_2":
        return F.max_pool2d(x, 3, 2)
    if kind == "max":
        return F.max_pool2d(x, 3, 1, 1)
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=kind == "average_with_padding")


class Twin(nn.Module):
    """The whole net with our weights, up to its 2,048 features."""

    def __init__(self, net: InceptionV3) -> None:
        super().__init__()
        for name, layer in vars(net).items():
            if isinstance(layer, ours.ConvNorm):
                self.add_module(name, ConvNorm(layer))
            elif isinstance(layer, ours.Block):
                self.add_module(name, Block(layer))
        state = {k: torch.from_numpy(v) for k, v in net.state_dict().items()}
        self.load_state_dict({k: v for k, v in state.items() if not k.startswith("fc.")})
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the features."""
        for name, layer in self.named_children():
            x = layer(x)
            if name in ("Conv2d_2b_3x3", "Conv2d_4a_3x3"):
                x = F.max_pool2d(x, 3, 2)
        return x.mean((2, 3))


def runner(net: InceptionV3, images: Any, variant: str) -> Any:
    """Return a function that computes the features of the images, an array.

    Args:
        net: ours, before it is folded.
        images: (N, 3, 299, 299) float32.
        variant: one of ``VARIANTS``.
    """
    twin, x = Twin(net), torch.from_numpy(images)
    if variant == "channels last":
        twin, x = (v.to(memory_format=torch.channels_last) for v in (twin, x))

    def run() -> Any:
        with torch.inference_mode():
            return twin(x).numpy()

    return run
