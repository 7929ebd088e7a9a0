"""What this machine can do at best: the roofline that benchmarks compare kernels with.

A kernel of F operations that moves B bytes takes at least max(F / peak, B / bandwidth). Both limits
are measured, not looked up: multiply-adds in registers, and copies of arrays too large for any
cache. A virtual machine's neighbours may halve them from one second to the next, so a benchmark
measures them beside what it times.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import NoKernelError
from .native import native, use_threads, why_not

_ROUNDS = 500  # of multiply-adds: some milliseconds
_COPIED = 64 << 20  # bytes: beyond the caches
_TRIES = 3  # the best one counts: a limit is what can be reached
_Clock = Callable[[], float]


@dataclass(frozen=True)
class Machine:
    """Measured limits.

    Attributes:
        gflops: float32 multiply-adds on all threads of the kernels, 2 operations each, in 1e9/s.
        one_thread: the same on one thread.
        gbytes: a copy, read and written bytes together, in 1e9/s.
    """

    gflops: float
    one_thread: float
    gbytes: float

    def seconds(self, flops: float, moved: float) -> float:
        """Return the least time of so many operations and bytes: the roofline."""
        return max(flops / self.gflops, moved / self.gbytes) / 1e9


def peak_gflops(threads: int | None = None, clock: _Clock = time.perf_counter) -> float:
    """Measure float32 multiply-adds in registers, in 1e9 operations a second; takes milliseconds.

    Args:
        threads: how many to run; None: as many as kernels use.
        clock: seconds; `time.process_time` on one thread of a busy machine.

    Raises:
        NoKernelError: the C++ kernels are missing.
    """
    if native is None:
        raise NoKernelError(f"the probe needs the C++ kernels: {why_not()}")
    with use_threads(threads):
        start = clock()
        done = native.probe_fma(_ROUNDS)
        return float(done) / (clock() - start) / 1e9


def measure_machine(clock: _Clock = time.perf_counter) -> Machine:
    """Measure the limits; takes about a tenth of a second.

    Args:
        clock: seconds; `time.process_time` on one thread of a busy machine.

    Raises:
        NoKernelError: the C++ kernels are missing.
    """
    gflops, one = (max(peak_gflops(n, clock) for _ in range(_TRIES)) for n in (None, 1))
    start, end = (np.zeros(_COPIED // 4, np.float32) for _ in range(2))
    start += 1  # touched, so that no page is the shared page of zeros
    end += 1
    best = np.inf
    for _ in range(_TRIES):
        begin = clock()
        native.probe_copy(start, end)
        best = min(best, clock() - begin)
    return Machine(gflops, one, 2 * _COPIED / best / 1e9)
