"""The plan of a captured step's memory, and the allocators that trace and serve it."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygan.errors import CaptureError
from tinygan.kernels.cuda import arena
from tinygan.kernels.cuda.arena import ALIGNMENT, Arena, Trace, plan, tracing


def trace_of(events):
    """Make a trace of sizes (allocations) and of negative numbers (-1 - k releases the k-th)."""
    trace = Trace()
    for event in events:
        if event >= 0:
            trace.allocate(event)
        else:
            trace.release(-1 - event)
    return trace


@st.composite
def traces(draw):
    trace, alive = Trace(), []
    for _ in range(draw(st.integers(0, 30))):
        if alive and draw(st.booleans()):
            trace.release(alive.pop(draw(st.integers(0, len(alive) - 1))))
        else:
            alive.append(trace.allocate(draw(st.integers(0, 5000))))
    return trace


def rounded(size):
    return -(-size // ALIGNMENT) * ALIGNMENT


@given(traces())
def test_what_lives_at_once_never_overlaps(trace):
    found = plan(trace)
    spans = [(at, at + size) for at, size in zip(found.offsets, found.sizes, strict=True)]
    lives = [(x.begin, np.inf if x.end is None else x.end) for x in trace.lives]
    for a, b in itertools.combinations(range(len(spans)), 2):
        together = lives[a][0] < lives[b][1] and lives[b][0] < lives[a][1]
        apart = spans[a][1] <= spans[b][0] or spans[b][1] <= spans[a][0]
        assert apart or not together
    assert all(at % ALIGNMENT == 0 for at in found.offsets)
    assert found.total == max((at + rounded(n) for at, n in spans_of(found)), default=0)


def spans_of(found):
    return zip(found.offsets, found.sizes, strict=True)


@given(traces())
def test_the_block_is_no_smaller_than_the_peak_and_no_larger_than_the_sum(trace):
    sizes = [rounded(x.size) for x in trace.lives]
    peak = max(
        (
            sum(n for n, x in zip(sizes, trace.lives, strict=True) if lives_at(x, moment))
            for moment in range(trace.moment)
        ),
        default=0,
    )
    assert peak <= plan(trace).total <= sum(sizes)


def lives_at(life, moment):
    return life.begin <= moment and (life.end is None or moment < life.end)


def test_a_chain_of_activations_takes_two_of_them():
    k = ALIGNMENT
    chain = trace_of([8 * k, 8 * k, -1, 8 * k, -2, 8 * k, -3, 8 * k, -4])
    assert plan(chain).total == 16 * k


def test_the_smallest_gap_that_fits_is_taken():
    taken = [(0, 4), (8, 10), (12, 20)]
    assert [arena._smallest_gap(taken, size) for size in (1, 2, 3, 4, 5)] == [10, 10, 4, 4, 20]
    assert arena._smallest_gap([], 7) == 0


def test_what_is_never_released_keeps_its_place():
    k = ALIGNMENT
    assert plan(trace_of([k, k, -1, k])).total == 2 * k
    assert plan(trace_of([k, k, k])).total == 3 * k


class PretendedCuda:
    """The part of ``cupy.cuda`` that allocators need, on no memory at all."""

    def __init__(self):
        self.allocator, self.next = self.malloc, 1 << 20

    def malloc(self, size):
        self.next += rounded(size)
        return SimpleNamespace(ptr=self.next - rounded(size))

    def get_allocator(self):
        return self.allocator

    def using_allocator(self, allocator):
        cuda = self

        class Using:
            def __enter__(self):
                self.before, cuda.allocator = cuda.allocator, allocator

            def __exit__(self, *_):
                cuda.allocator = self.before

        return Using()

    @staticmethod
    def UnownedMemory(address, size, owner):
        return SimpleNamespace(ptr=address, size=size, owner=owner)

    @staticmethod
    def MemoryPointer(memory, offset):
        return SimpleNamespace(ptr=memory.ptr + offset, mem=memory)


def step(cuda, sizes=(4096, 1000, 4096)):
    """Allocate as a step does: the second lives while the first one ends and the third begins."""
    first = cuda.allocator(sizes[0])
    second = cuda.allocator(sizes[1])
    at = [first.ptr, second.ptr]
    del first
    third = cuda.allocator(sizes[2])
    return [*at, third.ptr]


def test_a_traced_step_is_served_from_one_block():
    cuda = PretendedCuda()
    with tracing(cuda) as trace:
        step(cuda)
    assert [x.end is None for x in trace.lives] == [False, False, False]
    found = plan(trace)
    served = Arena(cuda, found, cuda.malloc)
    with cuda.using_allocator(served):
        at = step(cuda)
    assert at == [served.block.ptr + k for k in found.offsets]
    assert at[0] == at[2] != at[1]
    assert found.total == 4096 + rounded(1000)


@pytest.mark.parametrize(("sizes", "k"), [((4096, 1001, 4096), 1), ((4096, 1000, 8), 2)])
def test_another_step_than_the_traced_one_is_refused(sizes, k):
    cuda = PretendedCuda()
    with tracing(cuda) as trace:
        step(cuda)
    served = Arena(cuda, plan(trace), cuda.malloc)
    with (
        cuda.using_allocator(served),
        pytest.raises(CaptureError, match=f"its allocation {k} is of {sizes[k]} bytes"),
    ):
        step(cuda, sizes)


def test_more_allocations_than_were_traced_are_refused():
    cuda = PretendedCuda()
    served = Arena(cuda, plan(trace_of([7])), cuda.malloc)
    served(7)
    with pytest.raises(CaptureError, match="allocation 1 is of 7 bytes, and was of no bytes"):
        served(7)
