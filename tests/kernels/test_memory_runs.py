"""Large blocks of the caching allocator: how runs of slots are split, joined and grown."""

import gc
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tinygan.kernels.memory import caching, memory_stats, reset_peak_memory, trim_memory
from tinygan.kernels.native import native

MB = 1 << 20
pytestmark = pytest.mark.skipif(
    native is None or not native.memory_caches, reason="no cache: not built, or for a sanitizer"
)


@pytest.fixture(autouse=True)
def empty():
    """Begin without idle memory, within the cache, with room below the edge; end without too."""
    gc.collect()
    trim_memory()
    with caching():
        np.empty(512 * MB, np.uint8)
        trim_memory()
        yield
    gc.collect()
    trim_memory()


def block(megabytes):
    return np.empty(int(megabytes * MB), np.uint8)


def address(a):
    return a.ctypes.data


def held():
    return memory_stats().in_use + memory_stats().idle


def test_a_run_is_split_and_its_parts_join_again():
    whole = block(16)
    begin = address(whole)
    before = memory_stats()
    del whole
    parts = [block(n) for n in (4, 2, 8)]
    assert memory_stats().misses == before.misses
    assert memory_stats().idle == 2 * MB
    assert sorted(address(p) - begin for p in parts) == [2 * MB, 10 * MB, 12 * MB]
    for n in (1, 0, 0):  # in no order
        del parts[n]
    assert memory_stats().idle == 16 * MB
    assert address(block(16)) == begin
    assert memory_stats().misses == before.misses


def test_the_smallest_run_that_fits_is_taken():
    blocks = [block(n) for n in (20, 2, 6, 2, 12)]
    at = [address(b) for b in blocks]
    for n in (4, 2, 0):  # leave the two between them
        del blocks[n]
    six, ten = block(5), block(10)
    assert address(six) == at[2]
    assert at[4] <= address(ten) < at[4] + 12 * MB
    assert memory_stats().idle == 22 * MB


def test_a_run_at_the_edge_grows_by_what_is_missing():
    above, below = block(8), block(6)
    assert address(below) == address(above) - 6 * MB  # each new one lies below the last
    del below
    before = memory_stats()
    grown = block(10)
    assert address(grown) == address(above) - 10 * MB
    assert memory_stats().misses == before.misses + 1
    assert memory_stats().idle == 0
    assert held() == before.in_use + 10 * MB


def test_zeros_are_zeros_in_a_run_that_grew():
    above = block(4)
    below = np.full(4 * MB, 255, np.uint8)
    del below
    assert not np.zeros(9 * MB, np.uint8).any()
    del above


def resident():
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        pytest.skip("no /proc here: resident memory is unknown")
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_block_a_little_above_a_slot_costs_that_little():
    before, used = resident(), memory_stats().in_use
    arrays = [np.ones(2 * MB + 70_000, np.uint8) for _ in range(40)]
    assert memory_stats().in_use - used == 40 * (2 * MB + (128 << 10))  # not 160 MB
    assert resident() - before < 100 * MB
    del arrays
    assert memory_stats().idle == 40 * (2 * MB + (128 << 10))
    whole = np.ones(160 * MB, np.uint8)  # what was left out counts as soon as it is touched
    assert memory_stats().in_use - used == 160 * MB
    assert memory_stats().idle == 0
    assert address(whole) % (2 * MB) == 0


def test_a_partial_slot_counts_as_far_as_it_was_ever_used():
    used = memory_stats().in_use
    for size, counted in ((2.5, 2.5), (2.25, 2.5), (3, 3), (2.5, 3), (4, 4), (2.25, 4)):
        a = block(size)
        assert memory_stats().in_use - used == counted * MB
        del a
        assert memory_stats().idle == counted * MB


def test_little_more_is_held_than_was_in_use():
    """A step of training: layers of other sizes, kept until a walk back, with scratch beside."""
    sizes = [16, 16, 8, 8, 8, 4.5, 4.5, 4.5, 2.25, 2.25, 12]

    def step():
        alive = [block(n) for n in sizes for _ in range(2)]
        scratch = block(28)
        del scratch
        while alive:
            alive.pop()
            gradient, scratch = block(17), block(9)
            del gradient, scratch

    reset_peak_memory()
    step()
    first = memory_stats()
    for _ in range(20):
        step()
    last = memory_stats()
    assert held() <= 1.1 * last.peak
    assert (held(), last.misses) == (first.in_use + first.idle, first.misses)


def test_random_blocks_keep_what_was_written_and_overlap_nowhere(soak, count):
    rng = np.random.default_rng(3)
    alive, steps, used = [], 20_000 if soak else 2000, memory_stats().in_use
    reset_peak_memory()
    for number in range(steps):
        if alive and (len(alive) > 30 or rng.random() < 0.45):
            a, mark = alive.pop(int(rng.integers(len(alive))))
            assert a[0] == a[-1] == a[len(a) // 2] == mark
        else:
            a = np.empty(int(2 ** rng.uniform(11, 20.5)), np.int64)
            a[[0, len(a) // 2, -1]] = number
            alive.append((a, number))
        if number % 500 == 499:
            trim_memory()
            assert memory_stats().idle == 0
    ends = sorted((address(a), address(a) + a.nbytes) for a, _ in alive)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(ends))
    assert memory_stats().in_use - used >= sum(a.nbytes for a, _ in alive)
    del a
    alive.clear()
    assert memory_stats().in_use == used
    count("blocks taken and given back", steps)
