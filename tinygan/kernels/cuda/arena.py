"""One block of memory for all that a captured step allocates, planned by liveness.

A captured graph holds addresses. What it writes to must stay its own between two replays, and
nothing may be allocated while it is captured. So a step is taken once under a ``Tracer``, which
notes every allocation and when its last owner let go; ``plan`` gives each a place in one block, two
that never live at once perhaps the same; and while the step is captured an ``Arena`` hands the
places out in that order.

The plan is greedy by size: the largest first, each into the smallest gap between those that live
at the same time, else behind them (Pisarchyk & Lee, arXiv:2001.03288, algorithm 3).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ...errors import CaptureError

ALIGNMENT = 512  # bytes, as of CuPy's pool and cudaMalloc


@dataclass(slots=True)
class Life:
    """One allocation: its size in bytes, and the moments between which it is needed.

    Attributes:
        size: as it was asked for.
        begin: moment of the allocation.
        end: moment of the release, or None: it outlives the trace.
    """

    size: int
    begin: int
    end: int | None = None

    def meets(self, other: Life) -> bool:
        """Tell whether two allocations are needed at one time."""
        return (other.end is None or self.begin < other.end) and (
            self.end is None or other.begin < self.end
        )


@dataclass(slots=True)
class Trace:
    """The allocations of a step in their order; every event is a moment of its own."""

    lives: list[Life] = field(default_factory=list)
    moment: int = 0

    def allocate(self, size: int) -> int:
        """Note an allocation; return its number."""
        self.lives.append(Life(size, self.moment))
        self.moment += 1
        return len(self.lives) - 1

    def release(self, number: int) -> None:
        """Note that an allocation is needed no more."""
        self.lives[number].end = self.moment
        self.moment += 1


@dataclass(frozen=True, slots=True)
class Plan:
    """Where each allocation lies.

    Attributes:
        sizes: in bytes, in the order of the allocations.
        offsets: of each in the block.
        total: size of the block.
    """

    sizes: tuple[int, ...]
    offsets: tuple[int, ...]
    total: int


def plan(trace: Trace) -> Plan:
    """Give every allocation of a trace a place: none overlaps another that lives at its time."""
    lives = trace.lives
    offsets = [0] * len(lives)
    placed: list[int] = []
    for k in sorted(range(len(lives)), key=lambda k: (-lives[k].size, k)):
        beside = sorted(
            (offsets[other], offsets[other] + _rounded(lives[other].size))
            for other in placed
            if lives[k].meets(lives[other])
        )
        offsets[k] = _smallest_gap(beside, _rounded(lives[k].size))
        placed.append(k)
    ends = [at + _rounded(life.size) for at, life in zip(offsets, lives, strict=True)]
    return Plan(tuple(life.size for life in lives), tuple(offsets), max(ends, default=0))


def _rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _smallest_gap(taken: list[tuple[int, int]], size: int) -> int:
    """Return the offset of the smallest gap that fits between pieces, or their end."""
    best, best_room, reached = None, 0, 0
    for begin, end in taken:
        room = begin - reached
        if room >= size and (best is None or room < best_room):
            best, best_room = reached, room
        reached = max(reached, end)
    return reached if best is None else best


class _Lease:
    """Owner of one traced allocation: tells the trace when the last array lets go of it."""

    def __init__(self, trace: Trace, number: int, memory: Any) -> None:
        self._trace, self._number, self._memory = trace, number, memory

    def __del__(self) -> None:
        self._trace.release(self._number)


class Tracer:
    """Allocates as ``malloc`` does, and notes lives; for ``cupy.cuda.using_allocator``.

    Args:
        cuda: the module ``cupy.cuda``.
        malloc: the allocator behind it: ``malloc(size) -> MemoryPointer``.
    """

    def __init__(self, cuda: Any, malloc: Any) -> None:
        self._cuda, self._malloc, self.trace = cuda, malloc, Trace()

    def __call__(self, size: int) -> Any:
        """Allocate ``size`` bytes."""
        memory = self._malloc(size)
        lease = _Lease(self.trace, self.trace.allocate(size), memory)
        return _pointer(self._cuda, memory.ptr, size, lease)


class Arena:
    """Hands out the places of a plan, in the order in which they were traced.

    Args:
        cuda: the module ``cupy.cuda``.
        layout: the plan.
        malloc: allocates the block.
    """

    def __init__(self, cuda: Any, layout: Plan, malloc: Any) -> None:
        self._cuda, self._plan, self._served = cuda, layout, 0
        self.block = malloc(layout.total)

    def __call__(self, size: int) -> Any:
        """Return the next place.

        Raises:
            CaptureError: the step allocates otherwise than when it was traced.
        """
        k, self._served = self._served, self._served + 1
        if k >= len(self._plan.sizes) or self._plan.sizes[k] != size:
            traced = self._plan.sizes[k] if k < len(self._plan.sizes) else "no"
            raise CaptureError(
                f"a step can't be captured: its allocation {k} is of {size} bytes, and was of "
                f"{traced} bytes in the step before it, so the two are not the same step"
            )
        return _pointer(self._cuda, self.block.ptr + self._plan.offsets[k], size, self)


def _pointer(cuda: Any, address: int, size: int, owner: Any) -> Any:
    memory = cuda.UnownedMemory(address, size, owner)
    return cuda.MemoryPointer(memory, 0)


@contextmanager
def tracing(cuda: Any) -> Iterator[Trace]:
    """Trace CuPy's allocations until the ``with`` block ends.

    Args:
        cuda: the module ``cupy.cuda``.
    """
    tracer = Tracer(cuda, cuda.get_allocator())
    with cuda.using_allocator(tracer):
        yield tracer.trace
