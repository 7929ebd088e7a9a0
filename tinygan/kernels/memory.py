"""The caching allocator: array memory that is kept for the next array, and its statistics.

The first touch of fresh memory costs more than many kernels do: the system zeroes every page. Large
arrays of a training step come and go and come again in the next, so ``caching()`` lets NumPy take
them from memory that came back, on huge pages where the system has them. ``gan.fit`` does so while
a step runs; everywhere else NumPy keeps its own allocator, as the arrays of a host program are not
ours. Blocks of 2 MiB and more are split and joined by need (csrc/common/runs.hpp): a DCGAN-64 step
holds a tenth more than it has in use at most.

An array may outlive the ``with`` block and the thread that made it: NumPy frees each by the handler
that made it. The kernels' scratch memory comes from the same cache (csrc/common/memory.cpp).

Without the C++ extension NumPy's allocator stays in place and there are no statistics.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .native import native


class MemoryStats(NamedTuple):
    """What the cache holds for the whole process: blocks of 16 KiB and more, in bytes.

    Attributes:
        in_use: of arrays and of the scratch memory of kernels.
        idle: kept for the next; ``trim_memory`` gives it back.
        peak: the most that was in use, since the start or ``reset_peak_memory``.
        hits: blocks that were served from idle memory.
        misses: blocks that had to be mapped.
    """

    in_use: int
    idle: int
    peak: int
    hits: int
    misses: int


@contextmanager
def caching() -> Iterator[None]:
    """Let NumPy take the memory of new arrays from the cache until the ``with`` block ends.

    It holds for the current context alone, as ``contextvars`` has it: new threads begin with
    NumPy's own allocator. A generator must not yield inside, or its caller would be in it too.
    The blocks may nest; each restores the handler that it found.
    """
    if native is None:
        yield
        return
    former = native.set_memory_handler(native.memory_handler)
    try:
        yield
    finally:
        native.set_memory_handler(former)


def memory_stats() -> MemoryStats | None:
    """Return what the cache holds; None without the C++ extension."""
    return None if native is None else MemoryStats(*native.memory_stats())


def reset_peak_memory() -> None:
    """Let ``MemoryStats.peak`` begin at what is in use now."""
    if native is not None:
        native.reset_peak_memory()


def trim_memory() -> int:
    """Give the idle memory back to the system; return how many bytes that was."""
    return 0 if native is None else int(native.trim_memory())
