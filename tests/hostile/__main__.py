"""Make hostile calls of one binding: ``python -m hostile BINDING [FIRST] [COUNT] [PROGRESS]``.

Call number i depends on the binding and i alone, so the last number in the file PROGRESS, written
before each call, is all that it takes to repeat a crash. Prints how many calls worked, how many
were refused by which exception. ``FIRST`` counts from 0.
"""

import collections
import faulthandler
import json
import mmap
import resource
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np

from tinygan.kernels.native import native

from . import images, products  # noqa: F401 - they add bindings to the table
from .calls import BINDINGS, expect
from .memory import Memory
from .mutations import mutate

REFUSALS = (TypeError, ValueError, OverflowError, MemoryError)
MEMORY_LIMIT = 8 << 30  # address space: a huge workspace is refused rather than touched


def draw(name, number):
    """Return the generator and the right call of this number, its arrays between guards."""
    rng = np.random.default_rng([zlib.crc32(name.encode()), number])
    call, memory = BINDINGS[name](rng), Memory()
    call.args = placed(call.args, memory)
    return rng, call, memory


def placed(args, memory):
    """Return the arguments with all arrays, also those in tuples, between guards."""
    return [
        memory.place(a) if isinstance(a, np.ndarray)
        else tuple(placed(a, memory)) if isinstance(a, tuple)
        else a
        for a in args
    ]  # fmt: skip


def close(got, want):
    """Tell whether all finite entries agree to a good half of their digits."""
    want = np.asarray(want)
    tolerance = 1e-3 if got.dtype == np.float32 else 1e-8
    scale = np.max(np.abs(want), initial=1, where=np.isfinite(want))
    return got.shape == want.shape and not np.any(np.abs(got - want) > tolerance * scale)


def check_right_call(name, number):
    """Make a right call and check what it gives."""
    _, call, memory = draw(name, number)
    memory.freeze()
    want = expect(call)
    getattr(native, name)(*call.args)
    outputs = [call.args[i] for i in call.written()]
    if not all(close(a, b) for a, b in zip(outputs, want, strict=True)):
        raise AssertionError(f"{name}: right call {number} gives a wrong result")
    if not memory.untouched_but(outputs):
        raise AssertionError(f"{name}: right call {number} writes beside its outputs")


def check_hostile_call(name, number):
    """Make one hostile call; return the exception that refuses it, or None."""
    rng, call, memory = draw(name, number)
    known = all([mutate(rng, call, memory) for _ in range(int(rng.choice([1, 1, 1, 2, 3])))])
    memory.freeze()
    inputs_as_they_were = [a.copy() if isinstance(a, np.ndarray) else a for a in call.args]
    try:
        getattr(native, name)(*call.args)
    except REFUSALS as error:
        if not memory.untouched_but([]):
            raise AssertionError(f"{name}: call {number} is refused but has written") from None
        return type(error)
    outputs = [call.args[i] for i in call.written()]  # None: not asked for
    arrays = [a for a in outputs if a is not None]
    if not all(isinstance(a, np.ndarray) for a in arrays) or not memory.untouched_but(arrays):
        raise AssertionError(f"{name}: call {number} writes beside its outputs")
    call.args = inputs_as_they_were
    if known and not all(
        got is None or close(got, want) for got, want in zip(outputs, expect(call), strict=True)
    ):
        raise AssertionError(f"{name}: call {number} is accepted and gives a wrong result")
    return None


def run(name, first, count, progress):
    """Make the calls; after each fifth a right one must still work."""
    tally = collections.Counter()
    for number in range(first, first + count):
        progress[:8] = struct.pack("<q", number)
        native.set_num_threads((1, 2, 4)[number % 3])
        refusal = check_hostile_call(name, number)
        tally[refusal.__name__ if refusal else "worked"] += 1
        if number % 5 == 0:
            check_right_call(name, number)
    return tally


def limit_memory():
    """Let a huge workspace be refused rather than touched; sanitizers have limits of their own."""
    if "libasan" not in Path("/proc/self/maps").read_text():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))


def main(name, first="0", count="1", progress=None):
    """Parse the command line and run."""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    limit_memory()
    if progress is None:
        return run(name, int(first), int(count), bytearray(8))
    with open(progress, "r+b") as file, mmap.mmap(file.fileno(), 8) as where:
        return run(name, int(first), int(count), where)


sys.stdout.write(json.dumps(main(*sys.argv[1:])) + "\n")
