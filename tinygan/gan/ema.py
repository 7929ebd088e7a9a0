"""Exponential moving average of a generator's weights.

    w_ema <- w + (w_ema - w) * beta,    beta = 0.5 ** (batch / (1000 * half_life_kimg))

The decay is given as a half-life in thousands of images (kimg), so it means the same at every batch
size. Source: Yazici et al., arXiv:1806.04498, and Karras et al., arXiv:1710.10196, section 6.1;
the half-life in kimg is that of StyleGAN2's code. Buffers (running statistics) are copied.
"""

from __future__ import annotations

import copy
from typing import Any

from .. import kernels, nn
from ..errors import OptionError
from ..kernels.arrays import writable
from ..nn.module import tensors, unique_tensors


class EMA:
    """A second instance of a module whose parameters follow the first one's slowly.

    Args:
        module: what to follow; it is copied.
        half_life_kimg: after so many thousand images half of an old weight is forgotten; > 0.
    """

    def __init__(self, module: nn.Module, *, half_life_kimg: float) -> None:
        if not half_life_kimg > 0:
            raise OptionError(f"half_life_kimg={half_life_kimg}: use a number above 0")
        self.module = copy.deepcopy(module).requires_grad_(False)
        self.half_life_kimg = half_life_kimg

    @classmethod
    def maybe(cls, module: nn.Module, half_life_kimg: float) -> EMA | None:
        """Return an EMA of ``module``, or None for a half-life of 0."""
        return cls(module, half_life_kimg=half_life_kimg) if half_life_kimg else None

    def decay(self, batch: int) -> float:
        """Return beta, the share of the old average that is kept after ``batch`` images."""
        return float(0.5 ** (batch / (1000.0 * self.half_life_kimg)))

    def update(self, source: nn.Module, batch: int) -> None:
        """Move towards ``source``, which has just been trained on ``batch`` images."""
        theirs, pairs = dict(tensors(source)), []
        for name, mine in unique_tensors(self.module).items():
            data = theirs[name].data
            if isinstance(mine, nn.Parameter):
                pairs.append((mine, writable(mine.data), data))
            else:
                mine.assign_(data.copy())
        if pairs:
            flat = (a for _, average, data in pairs for a in (average, data))
            kernels.call("state_average", *flat, beta=self.decay(batch))
        for mine, average, _ in pairs:
            mine.assign_(average)

    def state_dict(self) -> dict[str, Any]:
        """Return the averaged parameters and the buffers."""
        return dict(self.module.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned."""
        self.module.load_state_dict(state)
