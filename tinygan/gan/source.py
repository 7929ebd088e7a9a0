"""``Source``: the batches of a run, on its device, and once more where a step is taken again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ..errors import DataError, ShapeError
from ..kernels.arrays import Shape, as_channels_last
from .game import Game
from .snapshot import Snapshot

Take = Callable[[Game, Any], None]  # a whole step of a run, its batches from a ``Source``


class Source:
    """Batches on the run's device, channels last, and what it takes to repeat a step.

    Args:
        batches: arrays (N, ...), or tuples of one and its labels.
        xp: the array library of the run.
    """

    def __init__(self, batches: Iterable[Any], xp: Any = np) -> None:
        self.before = Snapshot()  # the game's state before the step
        self._batches, self._xp = iter(batches), xp
        self._ready: list[Any] = []
        self.used: list[Any] = []  # by the step
        self.shape: Shape | None = None  # of one sample, once known

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self._ready:
            self._ready.append(self._fetch())
        batch = self._ready.pop(0)
        self.used.append(batch)
        return batch

    def peek(self) -> Any:
        """Return the next batch without using it up."""
        if not self._ready:
            self._ready.append(self._fetch())
        return self._ready[0]

    def accept(self) -> None:
        """Forget the batches of the step that is done."""
        self.used.clear()

    def rewind(self) -> None:
        """Serve the batches of this step again."""
        self._ready, self.used = self.used + self._ready, []

    def _fetch(self) -> Any:
        try:
            batch = next(self._batches)
        except StopIteration:
            raise DataError("the batches ended before the last step; give endless ones") from None
        if isinstance(batch, tuple):  # samples and labels
            return (self._place(batch[0]), *map(self._xp.asarray, batch[1:]))
        return self._place(batch)

    def _place(self, x: Any) -> Any:
        if self.shape not in (None, tuple(x.shape[1:])):
            raise ShapeError(f"a batch of shape {x.shape}, but the game takes (N, {self.shape})")
        x = self._xp.asarray(x)
        return as_channels_last(x) if x.ndim == 4 else x
