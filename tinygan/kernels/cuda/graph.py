"""What a captured step takes in and gives out: its clock, changing numbers, and promised readings.

A training step launches the same kernels on the same addresses every time, so a GPU can record it
once as a graph and replay it in one launch. Three things of a step are not the same every time:

- random numbers: draws read the number of the step from device memory, the *clock*;
- numbers that the host computes from a count, such as Adam's bias corrections and a scheduled
  learning rate: kernels read them from device memory, ``changing``; before a replay the optimizers
  take their step again with every launch left out, which computes the new numbers;
- what the host reads, such as a loss for the metrics: during the recording there is no value yet,
  so ``float(tensor)`` gives a NaN of its own, a *promise*, that is looked up after each replay.

A step that does more with a promise than to return it among its metrics can't be captured, nor can
one that asks for a tensor's truth or whole number, or draws by another way than a Philox kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

import numpy as np

from ...errors import CaptureError
from ..arrays import Array

_ROOM = 1024  # changing numbers, and promises, of one step
_SLOT = 4  # numbers begin at multiples of so many floats, so that kernels may read them as float4

_ACTIVE: ContextVar[Recording | None] = ContextVar("recording", default=None)


def active() -> Recording | None:
    """Return the recording of this thread that is being made or refilled, or None."""
    return _ACTIVE.get()


def refuse(what: str) -> None:
    """Raise if a step is being captured.

    Raises:
        CaptureError: it is; the message says what can't be captured.
    """
    if _ACTIVE.get() is not None:
        raise CaptureError(f"a step can't be captured: {what}")


class Recording:
    """The device memory through which a captured step talks to the host.

    Args:
        xp: the array library.

    Attributes:
        calls: how often changing numbers were asked for.
        clock: (1,) uint32, the number of the step.
        phase: launches are recorded, or left out while numbers are computed anew.
    """

    def __init__(self, xp: Any) -> None:
        self.clock: Array = xp.zeros(1, "uint32")
        self.phase: Literal["recording", "refilling"] = "recording"
        self._xp = xp
        self._numbers: Array = xp.zeros(_ROOM, "float32")
        self._on_host, self._given, self.calls = np.zeros(_ROOM, np.float32), 0, 0
        self._readings: Array = xp.zeros(_ROOM, "float64")  # holds float32 as it is
        self._promises: list[float] = []

    @contextmanager
    def at_work(self, phase: Literal["recording", "refilling"]) -> Iterator[None]:
        """Make this the active recording until the ``with`` block ends."""
        self.phase, self._given = phase, 0
        token = _ACTIVE.set(self)
        try:
            yield
        finally:
            _ACTIVE.reset(token)

    def changing(self, values: Sequence[float]) -> Array:
        """Return device memory that holds these numbers, and other ones at the next replay.

        Raises:
            CaptureError: a step has more of them than there is room for.
        """
        self.calls += 1
        first, self._given = self._given, self._given + -(-len(values) // _SLOT) * _SLOT
        if self._given > _ROOM:
            raise CaptureError(f"a step can't be captured: it has over {_ROOM} changing numbers")
        self._on_host[first : first + len(values)] = values
        return self._numbers[first : first + len(values)]

    def promise(self, value: Array) -> float:
        """Let a replay read a number of the device; return what stands for it until then.

        Raises:
            CaptureError: more promises than there is room for.
        """
        k = len(self._promises)
        if k == _ROOM:
            raise CaptureError(f"a step can't be captured: it reads over {_ROOM} numbers")
        self._readings[k : k + 1] = value.reshape(1)
        self._promises.append(float("nan"))  # a new object each time: known by its identity
        return self._promises[-1]

    def places(self, metrics: dict[str, float]) -> dict[str, int]:
        """Return which promise each metric is; what is none is the same at every step.

        Raises:
            CaptureError: a metric was computed from a promise.
        """
        by_identity = {id(promise): k for k, promise in enumerate(self._promises)}
        for name, value in metrics.items():
            if id(value) not in by_identity and math.isnan(value):
                raise CaptureError(
                    f"a step can't be captured: the host computes metric {name!r} from a tensor"
                )
        return {name: by_identity[id(v)] for name, v in metrics.items() if id(v) in by_identity}

    def send(self, step: int) -> None:
        """Write the clock and the changing numbers to the device."""
        self.clock[...] = step
        if self._given:
            self._numbers[: self._given] = self._xp.asarray(self._on_host[: self._given])

    def read(self) -> list[float]:
        """Return all promised numbers; waits for the replay."""
        return [float(v) for v in self._xp.asnumpy(self._readings[: len(self._promises)])]


def changing(xp: Any, values: Sequence[float]) -> Array:
    """Return numbers in device memory, float32; while a step is captured, its changing ones."""
    recording = _ACTIVE.get()
    if recording is not None:
        return recording.changing(values)
    out: Array = xp.asarray(np.array(values, np.float32))
    return out
