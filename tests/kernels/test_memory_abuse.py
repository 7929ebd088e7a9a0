"""Hostile use of the caching allocator: threads, forks, resizing, no memory, the wrong handler."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy._core.multiarray import _ARRAY_API, get_handler_name

from tinygan.kernels.memory import caching, memory_stats, trim_memory
from tinygan.kernels.native import native, why_not

ROOT = Path(__file__).resolve().parents[2]
MB = 1 << 20
pytestmark = pytest.mark.skipif(native is None, reason=f"C++ kernels {why_not()}")
limits = pytest.mark.skipif(
    not (native is not None and native.memory_caches and Path("/proc/self/statm").exists()),
    reason="built for a sanitizer, or no /proc",
)
OURS, NUMPYS = "tinygan_cache", "default_allocator"


@pytest.fixture(autouse=True)
def numpys_allocator_is_back():
    yield
    trim_memory()
    assert get_handler_name() == NUMPYS


def python(code):
    """Run code in a fresh interpreter; it must print "done" and nothing else."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("wrong", [None, 3, "mem_handler", np.ones(3), object()])
def test_only_a_memory_handler_can_be_set(wrong):
    with pytest.raises(ValueError, match="no memory handler"):
        native.set_memory_handler(wrong)


def test_a_capsule_of_another_kind_is_no_memory_handler():
    with pytest.raises(ValueError, match="no memory handler"):
        native.set_memory_handler(_ARRAY_API)


def test_an_array_may_be_freed_after_the_block_and_in_another_thread():
    def use(arrays):
        for a in arrays:
            assert (a == 7).all()
        arrays.clear()

    for _ in range(20):
        with caching():
            arrays = [np.full(n, 7) for n in (1, 1000, 10_000, MB)]
        thread = threading.Thread(target=use, args=(arrays,))
        thread.start()
        thread.join()
        assert not arrays
    if native.memory_caches:
        assert memory_stats().in_use == 0


def test_many_threads_allocate_fill_and_free_at_once():
    wrong, shared = [], []
    lock = threading.Lock()

    def work(number):
        rng = np.random.default_rng(number)
        with caching():
            for _ in range(150):
                a = np.full(int(2 ** rng.uniform(0, 23)), number, np.uint8)
                with lock:
                    shared.append((number, a))
                    owner, other = shared.pop(int(rng.integers(len(shared))))
                if not (other == owner).all():
                    wrong.append(owner)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    shared.clear()
    if native.memory_caches:
        assert memory_stats().in_use == 0


@pytest.mark.parametrize("shape", [(0,), (0, 5), (3, 0, 2**20), ()])
def test_arrays_without_elements_come_and_go(shape):
    with caching():
        for make in (np.empty, np.zeros):
            a = make(shape)
            assert a.copy().shape == shape
            assert get_handler_name(a) == OURS


@pytest.mark.parametrize("make", [np.empty, np.zeros])
@pytest.mark.parametrize("size", [2**50, 2**59])
def test_what_no_memory_holds_is_a_memory_error(make, size):
    with caching():
        with pytest.raises(MemoryError):
            make(size)
        assert make(10).size == 10


@limits
def test_memory_that_is_short_is_taken_from_what_lies_idle():
    code = """
import resource
import numpy as np
from tinygan.kernels.memory import caching, memory_stats
MB = 1 << 20
with caching():
    idle = [np.empty(100 * MB, np.uint8) for _ in range(4)]
    in_use = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    limit = in_use + 100 * MB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        np.empty(300 * MB, np.uint8)
        raise SystemExit("the limit does not hold")
    except MemoryError:
        pass
    del idle
    assert memory_stats().idle == 400 * MB
    a = np.empty(300 * MB, np.uint8)
    assert memory_stats().idle == 100 * MB
    del a
    a = np.empty(450 * MB, np.uint8)  # all that lies idle, and 50 more
    assert memory_stats().idle == 0
    del a
    b = np.empty(90 * MB, np.uint8)  # malloc's, and the cache's, live under the same limit
    small = [np.empty(15000, np.uint8) for _ in range(12_000)]  # 180 MB: trims the 360
    assert memory_stats().idle < 360 * MB
print("done")
"""
    python(code)


@limits
def test_idle_runs_that_are_too_short_go_back_where_memory_is_short():
    code = """
import resource
import numpy as np
from tinygan.kernels.memory import caching, memory_stats
MB = 1 << 20
with caching():
    blocks = [np.empty(100 * MB, np.uint8) for _ in range(4)]
    in_use = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + 100 * MB,) * 2)
    del blocks[2], blocks[0]  # neither long enough, nor at the edge
    assert memory_stats().idle == 200 * MB
    a = np.empty(250 * MB, np.uint8)
    assert memory_stats().idle == 0
print("done")
"""
    python(code)


@pytest.mark.parametrize("sizes", [(10, 20, 10), (100, 100_000, 50), (100_000, 300_000, 200_000),
                                   (10**6, 10**7, 10, 10**6), (0, 10**6, 0)])  # fmt: skip
def test_resizing_keeps_what_there_was_and_zeroes_the_rest(sizes):
    with caching():
        a = np.arange(sizes[0])
        for n in sizes[1:]:
            before = a.copy()
            a.resize(n, refcheck=False)
            kept = min(n, before.size)
            np.testing.assert_array_equal(a[:kept], before[:kept])
            assert not a[kept:].any()
        assert get_handler_name(a) == OURS
    a.resize(12345, refcheck=False)  # outside, it is still the cache's
    assert get_handler_name(a) == OURS


def test_arrays_that_numpy_grows_as_it_reads_hold_what_was_read():
    with caching():
        a = np.fromiter((i * i for i in range(200_000)), np.int64)
    np.testing.assert_array_equal(a, np.arange(200_000) ** 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_children_free_what_they_inherit_and_make_their_own():
    code = """
import os, signal, threading
import numpy as np
from tinygan.kernels.memory import caching, memory_stats
signal.alarm(100)
stop = threading.Event()
def churn():
    with caching():
        while not stop.is_set():
            np.ones(100_000)
threads = [threading.Thread(target=churn) for _ in range(3)]
for t in threads: t.start()
with caching():
    for number in range(60):
        a = np.full(10**6, number)
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)
            same = (a == number).all()
            del a
            b = [np.full(n, 5) for n in (10, 10**4, 10**6)]
            os._exit(0 if same and all((x == 5).all() for x in b) else 3)
        assert os.waitpid(pid, 0)[1] == 0
        assert (a == number).all()
stop.set()
for t in threads: t.join()
print("done")
"""
    python(code)


def test_the_interpreter_may_end_with_arrays_alive_and_the_handler_in_place():
    code = """
import sys, threading
import numpy as np
from tinygan.kernels.memory import caching
block = caching()
block.__enter__()
alive = [np.ones(n) for n in (1, 1000, 10**6)]
alive.append(alive)  # freed by the last collection, if at all
sys.alive = np.ones(10**6)
threading.Thread(target=lambda: alive.append(np.ones(10**6))).start()
print("done")
"""
    python(code)


def test_a_handler_set_twice_and_one_of_another_are_put_back():
    first = native.set_memory_handler(native.memory_handler)
    second = native.set_memory_handler(native.memory_handler)
    try:
        assert get_handler_name() == OURS
    finally:
        native.set_memory_handler(second)
        native.set_memory_handler(first)
    assert get_handler_name() == NUMPYS
