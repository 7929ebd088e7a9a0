"""Schedules of the learning rate: functions of the step, without state."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from ..errors import OptionError
from .base import Optimizer


class Schedule(ABC):
    """A factor of the base learning rate as a function of the step; it holds no state.

    >>> LinearDecay(start=100, total=200)(150)
    0.5
    """

    @abstractmethod
    def __call__(self, step: int) -> float:
        """Return the factor at ``step``, counted from 0."""

    def apply(self, optimizer: Optimizer, step: int) -> None:
        """Set ``optimizer.lr`` to its learning rate at construction times the factor."""
        optimizer.lr = optimizer.base_lr * self(step)


@dataclass(frozen=True)
class LinearDecay(Schedule):
    """1 until step ``start``, then linear down to ``to``, reached at step ``total``.

    Raises:
        OptionError: ``start`` is not in [0, total).
    """

    start: int
    total: int
    to: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.total:
            raise OptionError(f"LinearDecay: start {self.start} is not in [0, {self.total})")

    def __call__(self, step: int) -> float:
        """Return the factor at ``step``."""
        done = min(max((step - self.start) / (self.total - self.start), 0.0), 1.0)
        return 1.0 + done * (self.to - 1.0)


@dataclass(frozen=True)
class StepDecay(Schedule):
    """``gamma`` to the power of step // step_size.

    Raises:
        OptionError: ``step_size`` is below 1.
    """

    step_size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        if self.step_size < 1:
            raise OptionError(f"StepDecay: step_size {self.step_size}: 1 or more fit")

    def __call__(self, step: int) -> float:
        """Return the factor at ``step``."""
        return float(self.gamma ** (step // self.step_size))


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """``gamma`` to the power of the step."""

    gamma: float

    def __call__(self, step: int) -> float:
        """Return the factor at ``step``."""
        return float(self.gamma**step)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from 1 at step 0 down to ``to``, reached at step ``total``.

    Source: arXiv:1608.03983, equation 5, without restarts.

    Raises:
        OptionError: ``total`` is below 1.
    """

    total: int
    to: float = 0.0

    def __post_init__(self) -> None:
        if self.total < 1:
            raise OptionError(f"Cosine: total {self.total}: 1 or more fit")

    def __call__(self, step: int) -> float:
        """Return the factor at ``step``."""
        done = min(max(step / self.total, 0.0), 1.0)
        return self.to + (1.0 - self.to) * (1.0 + math.cos(math.pi * done)) / 2.0
