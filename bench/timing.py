"""Fair timing on machines that are not quiet: contestants take turns, medians are compared.

A shared machine has spells in which two threads are worth one. So all contestants run in turn
within one run, a slow spell hits them alike, and ratios are of medians. Beside each round a probe
runs multiply-adds on one thread and on all: where all are worth less than `LEAST` of what they
should, the round is dropped and taken again, up to a limit.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tinygan.kernels.machine import peak_gflops
from tinygan.kernels.native import native

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
LEAST = 0.75  # of as many times one thread's multiply-adds as there are threads
_TRIES = 3  # rounds taken for each round wanted, at most


@dataclass
class Timing:
    """Seconds of one contestant, a number a round, and how good the rounds were."""

    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median, in seconds."""
        return statistics.median(self.seconds)

    @property
    def best(self) -> float:
        """The least, in seconds."""
        return min(self.seconds)


@dataclass
class Round:
    """What the probe saw beside a round: GFLOP/s on one thread and on all."""

    one: float
    all: float

    @property
    def quality(self) -> float:
        """All threads' multiply-adds as a share of so many times one thread's."""
        return self.all / (self.one * native.num_threads())


@dataclass
class Result:
    """Timings by contestant, and the rounds that counted."""

    timings: dict[str, Timing]
    rounds: list[Round]
    dropped: int = 0

    @property
    def quality(self) -> float:
        """The median quality of the rounds."""
        return statistics.median(r.quality for r in self.rounds)

    def ratio(self, name: str, to: str) -> float:
        """How many times longer `name` takes than `to`."""
        return self.timings[name].median / self.timings[to].median


def take_turns(
    contestants: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 7,
    seconds: float = 0.02,
    clock: Callable[[], float] = time.perf_counter,
) -> Result:
    """Time the contestants in turn.

    Args:
        contestants: what to run, by name. Each has run once before, so that caches are warm.
        rounds: how often each has its turn.
        seconds: a turn repeats a short call for about so long.
        clock: `time.process_time` counts CPU seconds, for one thread on a busy machine.
    """
    repeats = {name: _repeats(fn, seconds, clock) for name, fn in contestants.items()}
    timings = {name: Timing() for name in contestants}
    kept: list[Round] = []
    tried = 0
    while len(kept) < rounds and tried < _TRIES * rounds:
        tried += 1
        probe = Round(peak_gflops(1), peak_gflops())
        turn = {name: _turn(fn, repeats[name], clock) for name, fn in contestants.items()}
        rest = _TRIES * rounds - tried
        if probe.quality < LEAST and clock is time.perf_counter and rest >= rounds - len(kept):
            continue
        kept.append(probe)
        for name, taken in turn.items():
            timings[name].seconds.append(taken)
    return Result(timings, kept, tried - len(kept))


def _repeats(fn: Callable[[], object], seconds: float, clock: Callable[[], float]) -> int:
    fn()
    return max(1, int(seconds / max(_turn(fn, 1, clock), 1e-7)))


def _turn(fn: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(repeats):
        fn()
    return (clock() - start) / repeats


def environment() -> dict[str, object]:
    """Describe the machine: what a reader needs to judge a figure."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": platform.machine(),
        "cpu": _cpu_name(),
        "cpus": len(os.sched_getaffinity(0)),
        "threads": native.num_threads() if native else 0,
        "isa": native.isa if native else "none",
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor()
