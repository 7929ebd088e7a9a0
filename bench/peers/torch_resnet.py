"""SNGAN's ResNet pair for CIFAR-10 in PyTorch, as people write it: resampling apart from conv.

Names are those of tinygan's modules, so that its state dicts load.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import spectral_norm

EPS = 2e-5


class UpBlock(nn.Module):
    """Residual block of G."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.c2 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.b1, self.b2 = nn.BatchNorm2d(channels, EPS), nn.BatchNorm2d(channels, EPS)
        self.c_sc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the residual to the skip."""
        h = functional.interpolate(torch.relu(self.b1(x)), scale_factor=2)
        h = self.c2(torch.relu(self.b2(self.c1(h))))
        return h + self.c_sc(functional.interpolate(x, scale_factor=2))


class DownBlock(nn.Module):
    """Residual block of D."""

    def __init__(self, inside: int, outside: int, *, down: bool, first: bool = False) -> None:
        super().__init__()
        hidden = outside if first else inside
        self.c1 = spectral_norm(nn.Conv2d(inside, hidden, 3, 1, 1))
        self.c2 = spectral_norm(nn.Conv2d(hidden, outside, 3, 1, 1))
        self.c_sc = spectral_norm(nn.Conv2d(inside, outside, 1)) if down else None
        self.first = first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the residual to the skip."""
        h = self.c2(torch.relu(self.c1(x if self.first else torch.relu(x))))
        if self.c_sc is None:
            return h + x
        pool = functional.avg_pool2d
        skip = self.c_sc(pool(x, 2)) if self.first else pool(self.c_sc(x), 2)
        return pool(h, 2) + skip


class Generator(nn.Module):
    """G for 32 x 32 images."""

    def __init__(self, nz: int = 128, width: int = 256) -> None:
        super().__init__()
        self.width = width
        self.l1 = nn.Linear(nz, width * 16)
        self.block2, self.block3, self.block4 = (UpBlock(width) for _ in range(3))
        self.b5 = nn.BatchNorm2d(width, EPS)
        self.c5 = nn.Conv2d(width, 3, 3, 1, 1)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Make images."""
        h = self.l1(z).reshape(-1, self.width, 4, 4)
        h = self.block4(self.block3(self.block2(h)))
        return torch.tanh(self.c5(torch.relu(self.b5(h))))


class Discriminator(nn.Module):
    """D for 32 x 32 images, with spectral norm on every layer."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.block1 = DownBlock(3, width, down=True, first=True)
        self.block2 = DownBlock(width, width, down=True)
        self.block3 = DownBlock(width, width, down=False)
        self.block4 = DownBlock(width, width, down=False)
        self.l5 = spectral_norm(nn.Linear(width, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Judge images."""
        h = self.block4(self.block3(self.block2(self.block1(x))))
        return self.l5(torch.relu(h).sum((2, 3))).flatten()


def load(module: nn.Module, state: dict) -> None:
    """Load a state dict of tinygan's by name."""
    tensors = {k: torch.from_numpy(v.copy()) for k, v in state.items()}
    missing, unexpected = module.load_state_dict(tensors, strict=False)
    missing = [k for k in missing if not k.endswith("num_batches_tracked")]
    if missing or [k for k in unexpected if not k.endswith("num_batches_tracked")]:
        raise SystemExit(f"the peer's layers differ: {missing}, {unexpected}")
