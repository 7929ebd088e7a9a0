"""The caching allocator: whose arrays it makes, and what it keeps."""

import gc
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy._core.multiarray import get_handler_name as handler

from tinygan.kernels import memory
from tinygan.kernels.memory import caching, memory_stats, reset_peak_memory, trim_memory
from tinygan.kernels.native import native, why_not

ROOT = Path(__file__).resolve().parents[2]
MB = 1 << 20
pytestmark = pytest.mark.skipif(native is None, reason=f"C++ kernels {why_not()}")
keeps = pytest.mark.skipif(
    native is not None and not native.memory_caches, reason="built for a sanitizer: no cache"
)


@pytest.fixture(autouse=True)
def whole():
    """Begin without idle memory; afterwards NumPy's own allocator must be in place."""
    gc.collect()
    trim_memory()
    yield
    assert handler() == "default_allocator"


def python(code):
    """Run code in a fresh interpreter; return (exit status, stdout, stderr)."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)
    return done.returncode, done.stdout, done.stderr


# --- whose arrays ---


def test_importing_changes_no_array_of_the_host_program():
    code = """
import numpy as np
from numpy._core.multiarray import get_handler_name
import tinygan
import tinygan.gan, tinygan.recipes
print(get_handler_name(), get_handler_name(np.ones(10**6)))
"""
    assert python(code) == (0, "default_allocator default_allocator\n", "")


def test_arrays_made_within_are_the_caches_and_others_not():
    before = np.ones(MB)
    with caching():
        made = {"empty": np.empty(MB), "zeros": np.zeros(MB), "copy": before.copy(),
                "sum": before + 1, "view's base": (before + 1)[::2].base,
                "one number": np.ones(1)}  # fmt: skip
        view = before[1:]
    assert {name: handler(a) for name, a in made.items()} == dict.fromkeys(made, "tinygan_cache")
    assert handler(before) == handler(np.ones(MB)) == "default_allocator"
    assert view.base is before


def test_blocks_nest_and_restore_what_they_found_also_after_an_error():
    with caching():
        with pytest.raises(KeyError), caching():
            raise KeyError
        assert handler() == "tinygan_cache"
        with caching(), caching():
            pass
        assert handler() == "tinygan_cache"


def test_new_threads_begin_with_numpys_own_allocator():
    seen = []

    def look():
        seen.append(handler(np.ones(MB)))
        with caching():
            seen.append(handler(np.ones(MB)))
        seen.append(handler(np.ones(MB)))

    with caching():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == ["default_allocator", "tinygan_cache", "default_allocator"]


def test_without_the_extension_nothing_happens(monkeypatch):
    monkeypatch.setattr(memory, "native", None)
    with caching():
        assert handler(np.ones(MB)) == "default_allocator"
    reset_peak_memory()
    assert memory_stats() is None
    assert trim_memory() == 0


# --- what is kept ---


@keeps
def test_a_block_serves_the_next_array_of_about_its_size():
    with caching():
        first = np.empty(4 * MB, np.uint8)
        address = first.ctypes.data
        del first
        assert memory_stats().idle == 4 * MB
        hits = memory_stats().hits
        second = np.empty(3 * MB, np.uint8)
        assert second.ctypes.data == address
        assert memory_stats().hits == hits + 1
        assert memory_stats().idle == 0
        smaller = np.empty(MB, np.uint8)
        del second
        assert memory_stats().idle == 4 * MB
        assert np.empty(MB, np.uint8).ctypes.data != address  # it would waste most of the block
    del smaller


@keeps
def test_large_blocks_lie_on_huge_pages_and_all_that_are_kept_on_pages():
    with caching():
        arrays = [np.empty(n, np.uint8) for n in (16 << 10, 70_001, MB, 2 * MB, 5 * MB + 1)]
    assert all(a.ctypes.data % 4096 == 0 for a in arrays)
    assert all(a.ctypes.data % (2 * MB) == 0 for a in arrays if a.nbytes >= 2 * MB)


@keeps
@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="no huge pages here"
)
def test_the_system_is_asked_for_huge_pages():
    with caching():
        a = np.empty(5 * MB, np.uint8)
    (flags,) = [
        line.split()
        for mapping in re.split(r"\n(?=[0-9a-f]+-)", Path("/proc/self/smaps").read_text())
        if int(mapping.split("-")[0], 16)
        <= a.ctypes.data
        < int(mapping.split("-")[1].split()[0], 16)
        for line in mapping.splitlines()
        if line.startswith("VmFlags:")
    ]
    assert "hg" in flags


@keeps
def test_statistics_count_blocks_in_use_and_their_peak():
    with caching():
        before = memory_stats()
        reset_peak_memory()
        a, b = np.empty(3 * MB, np.uint8), np.empty(5 * MB, np.uint8)
        small = np.empty(1000, np.uint8)
        del b
        stats = memory_stats()
        assert stats.in_use == before.in_use + 3 * MB
        assert stats.peak == before.in_use + 8 * MB
        assert stats.misses == before.misses + 2
        reset_peak_memory()
        assert memory_stats().peak == stats.in_use
    del a, small


@keeps
def test_trimming_gives_all_idle_memory_back_to_the_system():
    with caching():
        arrays = [np.ones(40 * MB, np.uint8) for _ in range(4)]
        held = resident()
        del arrays
    assert memory_stats().idle == 160 * MB
    assert resident() > held - 10 * MB
    assert trim_memory() == 160 * MB
    assert memory_stats().idle == 0
    assert resident() < held - 150 * MB


def resident():
    """Return the physical memory of this process in bytes."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        pytest.skip("no /proc here: resident memory is unknown")
    return pages * os.sysconf("SC_PAGE_SIZE")


@keeps
def test_what_lies_idle_is_bounded_by_what_arrays_needed_and_scratch():
    with caching():
        np.empty(3000 * MB, np.uint8)
        trim_memory()  # what was needed before does not count
        for n in range(12):  # 16 to 950 MB, 3 GB in all, never touched; none serves another
            a = np.empty(int(16 * MB * 1.45**n), np.uint8)
            most = a.nbytes + MB
            assert held() <= 512 * MB + 1.25 * most
            del a
            assert held() <= 512 * MB + 1.25 * most


def held():
    """Return what the cache holds in all."""
    return memory_stats().in_use + memory_stats().idle


@keeps
def test_scratch_beyond_the_bound_goes_back_at_once():
    x, out = np.zeros((1, 5 * MB), np.float32), np.empty((2, 1, 5 * MB))
    reset_peak_memory()
    native.batch_norm_stats(x, out[0], out[1])
    assert memory_stats().peak > 600 * MB
    assert memory_stats().idle <= 512 * MB


@keeps
def test_zeros_are_zeros_in_memory_that_held_something_else():
    for n in (100, 3000, 100_000, MB, 5 * MB):
        with caching():
            full = np.full(n, 255, np.uint8)
            del full
            assert not np.zeros(n, np.uint8).any()


@keeps
def test_scratch_memory_of_kernels_comes_from_the_same_cache():
    from tinygan import kernels
    from tinygan.kernels.conv2d import ConvSpec

    x, w = np.ones((8, 64, 32, 32), np.float32), np.ones((64, 64, 3, 3), np.float32)
    with kernels.use_backend("cpp"):
        kernels.call("conv2d", x, w, spec=ConvSpec())
        before = memory_stats()
        kernels.call("conv2d", x, w, spec=ConvSpec())
    assert before.idle > 0
    assert memory_stats().hits > before.hits
    assert memory_stats().misses == before.misses
