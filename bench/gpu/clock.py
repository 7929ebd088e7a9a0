"""Timing on a GPU: contestants take turns between events of their own stream; medians count."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TURNS, SECONDS, MOST = 7, 0.03, 2000  # turns of each; a turn repeats a call for about so long


@dataclass(frozen=True)
class Race:
    """Contestants that do the same work.

    Attributes:
        name: of the work.
        contestants: what to run, by name; ``tinygan`` is among them.
        compare: runs each once and returns how far the outputs are apart; raises if too far.
        columns: ``columns(seconds)`` -> further figures of tinygan's time: bandwidth, rate.
    """

    name: str
    contestants: Mapping[str, Callable[[], Any]]
    compare: Callable[[], float]
    columns: Callable[[float], dict[str, float]] = field(default=lambda _: {})


def synchronize() -> None:
    """Wait for the whole device: both libraries use it."""
    import cupy

    cupy.cuda.runtime.deviceSynchronize()


def seconds_of(fn: Callable[[], Any], repeats: int) -> float:
    """Return the seconds of a call, of so many in a row, from an idle device to an idle device."""
    synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        fn()
    synchronize()
    return (time.perf_counter() - start) / repeats


def take_turns(
    contestants: Mapping[str, Callable[[], Any]],
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the median seconds of a call of each, and why others could not run."""
    repeats, failed = {}, {}
    for name, fn in contestants.items():
        try:
            seconds_of(fn, 2)
            repeats[name] = max(1, min(MOST, int(SECONDS / seconds_of(fn, 3))))
        except Exception as error:  # a peer that fails must not cost the others their race
            failed[name] = f"{type(error).__name__}: {error}"[:300]
    found: dict[str, list[float]] = {name: [] for name in repeats}
    for _ in range(TURNS):
        for name, times in repeats.items():
            found[name].append(seconds_of(contestants[name], times))
    return {name: statistics.median(times) for name, times in found.items()}, failed


def distance(a: Any, b: Any) -> float:
    """Return max |a - b| / max |b| of two NumPy arrays."""
    largest = float(abs(b).max()) or 1.0
    return float(abs(a - b).max()) / largest
