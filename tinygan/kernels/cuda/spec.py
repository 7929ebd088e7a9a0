"""What a CUDA kernel is beside its source: how it is launched, and what it must compile to.

The rows are in ``table.py``; nothing that has no row can be launched. A row's ``grid`` and
``shared`` are functions of the kernel's scalar parameters, taken by name; scratch memory is
allocated by the launchers, whose plans know its size (``columns.py``, ``segments.py``,
``products.py``):

    CudaKernel("scale", "scale/scale.cu", threads=256, grid=spread("n", 4), registers=32)

``opcodes`` are promises: instructions that the compiled kernel must hold, such as ``FFMA`` or
``LDG.E.128``. ``mode`` names the arithmetic; tensor-core kernels will be rows of other modes.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from . import sources

Grid = tuple[int, int, int]
Arguments: TypeAlias = Sequence[Any]  # of a launch, each as C holds it
Mode = Literal["fp32", "tf32", "bf16"]

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
MOST_BLOCKS = (2**31 - 1, 65535, 65535)
SPREAD_BLOCKS = 2048  # of a kernel that strides over its grid: 16 a multiprocessor of an H100
COLUMNS, ROWS_AT_ONCE = 32, 8  # of a block's threads: kColumns, kRowsAtOnce in tg_columns.cuh


@dataclass(frozen=True, kw_only=True)
class CudaKernel:
    """One row of the table.

    Attributes:
        entry: the kernel's name in the source, unique in the table.
        file: the source, relative to csrc/.
        threads: of a block.
        grid: ``grid(**scalars)`` -> blocks along x, y, z; none where one of them is 0.
        registers: most that a thread may take, on every architecture.
        shared: ``shared(**scalars)`` -> bytes of dynamic shared memory.
        opcodes: instructions that it promises to compile to.
        archs: architectures that it is compiled for.
        local: it may use local memory (arrays of its own that are indexed at run time).
        mode: its arithmetic.
        needs: ``needs(**scalars)`` -> why it can't take them, or None.
        contract: a product and a sum may become one rounding (FMA).
    """

    entry: str
    file: str
    threads: int
    grid: Callable[..., Grid]
    registers: int
    shared: Callable[..., int] | None = None
    opcodes: tuple[str, ...] = ()
    archs: tuple[str, ...] = ARCHITECTURES
    local: bool = False
    mode: Mode = "fp32"
    needs: Callable[..., str | None] | None = None
    contract: bool = True

    @property
    def options(self) -> tuple[str, ...]:
        """What NVRTC is told beside the architecture."""
        return () if self.contract else ("-fmad=false",)

    @property
    def parameters(self) -> tuple[sources.Parameter, ...]:
        """The kernel's parameters, read from its source."""
        return sources.kernels_of(self.file)[self.entry]


def pointers(arguments: Arguments) -> ctypes.Array[ctypes.c_void_p]:
    """Return the addresses of a launch's arguments, as ``cuLaunchKernel`` takes them."""
    return (ctypes.c_void_p * len(arguments))(*map(ctypes.addressof, arguments))


def over(extent: int, size: int) -> int:
    """Return how many pieces of ``size`` cover ``extent``."""
    return -(-extent // size)


def spread(count: str, each: int = 1, threads: int = 256) -> Callable[..., Grid]:
    """Make the grid of a kernel that strides over ``count`` items, ``each`` a thread and stride."""

    def _grid(**scalars: Any) -> Grid:
        return min(over(scalars[count], threads * each), SPREAD_BLOCKS), 1, 1

    return _grid


def column_grid(*, n: int, width: int, rows_a_block: int, **_: Any) -> Grid:
    """Return the grid of a kernel that leaves partial sums of columns."""
    return over(width, COLUMNS), over(over(n, width), rows_a_block), 1


def segment_grid(*, segments: int, n: int, width: int, rows_a_block: int, **_: Any) -> Grid:
    """Return the grid of a pass over segments of rows (tg_segments.cuh)."""
    return over(width, COLUMNS) * segments, over(over(n, width), rows_a_block), 1


def warps(*counts: str) -> Callable[..., Grid]:
    """Make the grid of a kernel that has a warp an item, of as many items as these multiply to."""

    def _grid(**scalars: Any) -> Grid:
        return over(math.prod(scalars[count] for count in counts), 8), 1, 1

    return _grid


def row_grid(*, rows: int, row_threads: int, **_: Any) -> Grid:
    """Return the grid of a kernel along rows, of which row_threads threads share one."""
    return over(rows * row_threads, 256), 1, 1
