"""What ``cupy.cuda`` has for whole-step capture, for the arrays of strict_arrays.

A captured stream does nothing: what it is asked for goes on a tape, and the graph runs the tape at
every launch, in the same memory. What CUDA forbids during a capture raises.
"""

from contextlib import contextmanager

import strict_arrays

from tinygan.kernels.cuda import cusim

_allocator = None


class Graph:
    """A tape that can be run."""

    def __init__(self, tape):
        self.tape = tape

    def launch(self, stream=None):
        for act in self.tape:
            act()


class Stream:
    """A stream; ``with`` makes it the current one."""

    def __init__(self, non_blocking=False):
        self.non_blocking = non_blocking

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def begin_capture(self):
        strict_arrays.tape = []

    def end_capture(self):
        tape, strict_arrays.tape = strict_arrays.tape, None
        return Graph(tape)


class Runner:
    """Runs CUDA kernels by the emulator, or puts them on the tape."""

    @staticmethod
    def why_not():
        return cusim.why_not()

    @staticmethod
    def device():
        return 0

    @staticmethod
    def run(row, grid, shared_bytes, arguments):
        strict_arrays._later_or_now(lambda: cusim.run(row, grid, shared_bytes, arguments))


def get_current_stream():
    return Stream()


def get_allocator():
    return _malloc


def _malloc(size):
    return MemoryPointer(UnownedMemory(1 << 20, size, None), 0)


@contextmanager
def using_allocator(allocator):
    """Take an allocator and don't ask it: the arrays lie in NumPy's memory."""
    yield


class UnownedMemory:
    def __init__(self, address, size, owner):
        self.ptr, self.size, self.owner = address, size, owner


class MemoryPointer:
    def __init__(self, memory, offset):
        self.ptr, self.mem = memory.ptr + offset, memory
