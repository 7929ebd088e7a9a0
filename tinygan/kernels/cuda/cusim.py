"""The CUDA kernels on a CPU: each ``.cu`` compiled by g++ against csrc/cusim, launched in place.

It is there to run every kernel where no GPU is, with its launch, grid and shared memory as they
are on one. From launch to launch the order in which a block's threads run changes (ascending,
descending, random), so that kernels whose result depends on it are caught. It is slow: some
thousand times slower than a GPU.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from ...errors import CompileError, LaunchError
from . import sources
from .cache import cached
from .spec import Arguments, CudaKernel, Grid, pointers

_RUNTIME = "cusim/cusim.hpp"
_FLAGS = (
    "-std=c++17 -O2 -fPIC -shared -w -ffp-contract=off -fvisibility=hidden -fno-gnu-unique"
    " -Wl,-Bsymbolic"
)
_ORDERS = itertools.cycle((0, 1, 2))  # enum Order in block.hpp
_SEEDS = itertools.count(1)
_ERROR_BYTES = 256


class _Launch(ctypes.Structure):
    _fields_ = (
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared_bytes", ctypes.c_size_t),
        ("order", ctypes.c_int),
        ("seed", ctypes.c_uint),
    )


def _compiler() -> list[str]:
    named = shlex.split(os.environ.get("CXX", ""))
    for name in [named[:1]] if named else [["g++"], ["clang++"]]:
        if name and shutil.which(name[0]):
            return named or name
    return []


@functools.cache
def why_not() -> str | None:
    """Return why the emulator can't run here, or None."""
    return None if _compiler() else "no C++ compiler: the emulator of CUDA needs g++ or clang++"


def device() -> int:
    """Return the number of the current device: it emulates one."""
    return 0


@functools.cache
def _library(file: str) -> ctypes.CDLL:
    """Compile a source for the CPU, or find it compiled."""
    if reason := why_not():
        raise CompileError(reason)
    extra = shlex.split(os.environ.get("TINYGAN_CUSIM_FLAGS", ""))
    command = [*_compiler(), *shlex.split(_FLAGS), *extra]
    name = f"cusim-{sources.digest(file, *command, sources.digest(_RUNTIME))}.so"
    entries = "".join(f"TG_CUSIM_KERNEL({entry})\n" for entry in sources.kernels_of(file))

    def _build(path: Path) -> None:
        root = sources.root()
        command.extend([f"-I{root}", "-include", str(root / _RUNTIME), "-x", "c++", "-"])
        done = subprocess.run(
            [*command, "-o", str(path)],
            input=f'#include "{file}"\n{entries}',
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            wrong = [line for line in done.stderr.splitlines() if "error" in line]
            raise CompileError(f"{file} for the emulator: {[*wrong, done.stderr][0].strip()}")

    return ctypes.CDLL(str(cached(name, _build)))


def run(row: CudaKernel, grid: Grid, shared_bytes: int, arguments: Arguments) -> None:
    """Run one launch to its end.

    Args:
        row: the kernel.
        grid: blocks.
        shared_bytes: dynamic shared memory.
        arguments: in the order of the kernel's parameters, each as C holds it.

    Raises:
        CompileError: the source does not compile.
        LaunchError: the kernel did what a GPU would leave undefined: it says what and where.
    """
    function = getattr(_library(row.file), f"cusim_{row.entry}")
    how = _Launch(grid, (row.threads, 1, 1), shared_bytes, next(_ORDERS), next(_SEEDS))
    error = ctypes.create_string_buffer(_ERROR_BYTES)
    function(ctypes.byref(how), pointers(arguments), error)
    if error.value:
        raise LaunchError(f"{row.entry}: {error.value.decode()}")
