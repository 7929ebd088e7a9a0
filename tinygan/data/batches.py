"""Endless shuffled batches whose order is a pure function of (seed, epoch).

Epoch e visits the data in the order of a Philox permutation of (seed, "batches", step = e), in
floor(N / batch_size) batches; the rest of the epoch is dropped, as PyTorch's ``drop_last=True``
does, so every batch has the same size. One number, the *cursor* (batches served so far), is the
whole state. Toy distributions are sampled anew for each batch, with the cursor as the step.

Of two domains that are not matched, B has epochs and an order of its own, so that every image meets
every other; an epoch is one of A.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import CheckpointError, DataError, OptionError
from ..kernels.arrays import Array
from ..random import Stream
from .dataset import Dataset

State = dict[str, int | str]


class _Order:
    """Which rows of a set a batch takes: those of its place in the permutation of its epoch."""

    def __init__(self, name: str, count: int, batch_size: int, seed: int) -> None:
        self._count, self._batch_size = count, batch_size
        self.per_epoch = max(1, count // batch_size)
        self._stream = Stream(seed, name)
        self._order: tuple[int, Array] | None = None  # (epoch, permutation)

    def __call__(self, cursor: int) -> Array:
        """Return the indices of the batch at the cursor. Shapes: -> (batch_size,)."""
        epoch, place = divmod(cursor, self.per_epoch)
        if self._order is None or self._order[0] != epoch:
            self._stream.restart(epoch)
            self._order = epoch, self._stream.permutation(self._count)
        begin = place * self._batch_size
        return self._order[1][begin : begin + self._batch_size]


class Batches:
    """An endless iterator over shuffled batches.

    ``next(batches)`` gives x; ``batches.with_labels()`` iterates over (x, y) and shares the cursor.

    Shapes: x (batch_size, C, H, W) channels last, or (batch_size, 2), float32; y (batch_size,)
    int64.

    Args:
        dataset: what to draw from.
        batch_size: samples a batch, at most the size of the set.
        seed: 0 to 2**64 - 1; with the cursor it determines every batch.
        xp: the array library of the batches.

    Raises:
        OptionError: batch_size doesn't fit the set.
    """

    def __init__(self, dataset: Dataset, batch_size: int, *, seed: int, xp: Any = np) -> None:
        most = min(map(len, dataset.domains or (dataset,)))
        if batch_size < 1 or (dataset.toy is None and batch_size > most):
            raise OptionError(
                f"batch size {batch_size} doesn't fit {dataset.name}: use 1 to {most}"
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.seed = seed
        self.xp = xp
        self.cursor = 0
        self._stream = Stream(seed, "batches")  # of toys
        self._rows = _Order("batches", len(dataset), batch_size, seed)
        self._others: _Order | None = None
        if dataset.domains is not None and not dataset.matched:
            self._others = _Order("batches-b", len(dataset.domains[1]), batch_size, seed)

    def __iter__(self) -> Iterator[Array]:
        return self

    def __next__(self) -> Array:
        return self._draw()[0]

    def with_labels(self) -> Iterator[tuple[Array, Array]]:
        """Iterate endlessly over (x, y).

        Raises:
            DataError: the data set has no labels.
        """
        if self.dataset.labels is None:
            raise DataError(f"{self.dataset.name} has no labels; a labelled data set is needed")
        return self._pairs()

    def _pairs(self) -> Iterator[tuple[Array, Array]]:
        while True:
            x, y = self._draw()
            assert y is not None
            yield x, y

    @property
    def per_epoch(self) -> int:
        """Batches in one epoch."""
        return self._rows.per_epoch

    @property
    def epoch(self) -> int:
        """The epoch that the next batch belongs to."""
        return self.cursor // self.per_epoch

    def state(self) -> State:
        """Return what ``restore`` needs to go on from here, as plain numbers and text."""
        return {
            "cursor": self.cursor,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "dataset": self.dataset.hash,
        }

    def restore(self, state: State) -> None:
        """Go on from a saved state.

        Raises:
            CheckpointError: it was saved with other data, another batch size or another seed.
        """
        for key, mine in self.state().items():
            if key not in state:
                raise CheckpointError(f"batches: the saved state has no {key!r}")
            if key != "cursor" and state[key] != mine:
                raise CheckpointError(
                    f"batches: saved with {key} {state[key]}, this one has {mine}"
                )
        cursor = state["cursor"]
        if not isinstance(cursor, int) or cursor < 0:
            raise CheckpointError(f"batches: saved cursor {cursor!r} is not a count")
        self.cursor = cursor

    def _draw(self) -> tuple[Array, Array | None]:
        toy, labels = self.dataset.toy, self.dataset.labels
        if toy is not None:
            self._stream.restart(self.cursor)
            points, parts = toy.sample(self.batch_size, self._stream)
            self.cursor += 1
            return self.xp.asarray(points), self.xp.asarray(parts)
        rows = self._rows(self.cursor)
        others = None if self._others is None else self._others(self.cursor)
        self.cursor += 1
        y = None if labels is None else self.xp.asarray(labels[rows])
        return self.dataset.take(rows, self.xp, others=others), y
