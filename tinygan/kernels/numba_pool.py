"""How the Numba kernels are compiled and run: lazily, and on Python threads.

Numba takes a second to import, so nothing here imports it before a kernel runs. Its own thread
pools either die in a forked child (OpenMP) or abort when two threads enter them (workqueue), so
loops are compiled without the GIL and each range of the work is given to a thread of our own pool.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from .arrays import Array

Function = TypeVar("Function", bound=Callable[..., Any])


@functools.cache
def why_no_numba() -> str | None:
    """Return None if Numba is installed, else that it is not."""
    return None if importlib.util.find_spec("numba") else "Numba is not installed"


def jit(fn: Function) -> Function:
    """Compile ``fn`` with IEEE arithmetic at its first call, kept on disk where that can be."""
    numba: Any = importlib.import_module("numba")
    options = {"nogil": True, "error_model": "numpy"}
    try:
        compiled: Function = numba.njit(cache=True, **options)(fn)
    except RuntimeError:  # no cache folder is writable
        compiled = numba.njit(**options)(fn)
    return compiled


@functools.cache
def _pool() -> tuple[int, ThreadPoolExecutor]:
    """Return the number of threads and the pool, made at the first use and in a forked child."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = int(os.environ.get("TINYGAN_NUM_THREADS") or cpus)
    return count, ThreadPoolExecutor(count, thread_name_prefix="tinygan-numba")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def over(count: int, loop: Callable[..., None], *args: Any) -> None:
    """Run ``loop(*args, first, last)`` on ranges that make up 0 .. count, one a thread."""
    threads, pool = _pool()
    edges = np.linspace(0, count, min(threads, count) + 1, dtype=int).tolist()
    ranges = list(pairwise(edges))
    if len(ranges) == 1:
        loop(*args, *ranges[0])
        return
    for job in [pool.submit(loop, *args, first, last) for first, last in ranges]:
        job.result()


BLOCK_ELEMENTS = 32768  # small enough for the L2 cache; fixed, so that bits don't hang on threads


def rows_per_block(x: Array) -> int:
    """Return how many rows of (rows, channels) make a block: a function of the shape alone."""
    return max(1, BLOCK_ELEMENTS // int(x.shape[1]))
