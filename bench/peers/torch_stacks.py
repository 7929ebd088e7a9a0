"""The stacks of bench/stacks.py in PyTorch, with the names of tinygan's modules."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from .torch_steps import VARIANTS


class ResidualBlock(nn.Module):
    """CycleGAN's block: mirror padding, conv 3, instance norm, ReLU, and the first three again."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.c1, self.c2 = (
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect") for _ in range(2)
        )
        self.n1, self.n2 = nn.InstanceNorm2d(channels), nn.InstanceNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the residual to the skip."""
        return x + self.n2(self.c2(torch.relu(self.n1(self.c1(x)))))


def residual_stack(channels: int, blocks: int) -> nn.Module:
    """Return so many blocks in a row."""
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))


def step(net: nn.Module, state: dict, inputs: list, variant: str) -> Callable[[], float]:
    """Return a step: forward, E |y - target|, backward, Adam; it returns the loss.

    Args:
        net: the stack.
        state: tinygan's weights by name.
        inputs: what the net takes, and the target, NumPy.
        variant: of ``VARIANTS``.
    """
    how = VARIANTS[variant]
    net.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in state.items()})
    *given, target = (torch.from_numpy(x.copy()) for x in inputs)
    if how.channels_last:
        net = net.to(memory_format=torch.channels_last)
        *given, target = (
            x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
            for x in (*given, target)
        )
    run = torch.compile(net, dynamic=False) if how.compiled else net
    adam = torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=how.fused)

    def _step() -> float:
        adam.zero_grad()
        loss = functional.l1_loss(run(*given), target)
        loss.backward()
        adam.step()
        return loss.item()

    return _step
