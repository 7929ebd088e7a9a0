"""Operands placed in memory of their own, between guard bands, and read back byte by byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...kernels.arrays import Array

NAN, HUGE = 0xFF, 0x7B  # bytes whose floats are NaN and about 1e36, whose integers are -1 and large
_BAND = 256  # bytes on either side: more than a vector register, and than a prefetch that is used
_LINE = 64


@dataclass(frozen=True, eq=False)
class Placed:
    """An operand between two guard bands.

    Attributes:
        array: the operand, with the values and strides of the original.
        memory: the bytes around it: both bands, and the gaps that its strides leave.
    """

    array: Array
    memory: npt.NDArray[np.uint8]

    def snapshot(self) -> bytes:
        """Return all bytes: bands, gaps and operand."""
        return self.memory.tobytes()

    def surroundings(self) -> bytes:
        """Return the bytes of bands and gaps alone."""
        kept = self.array.copy()
        self.array[...] = 0
        found = self.snapshot()
        self.array[...] = kept
        return found


def place(a: Any, fill: int, *, unaligned: bool = False) -> Placed:
    """Copy an operand into a buffer of its own, in its strides, and fill the rest with a byte.

    Args:
        a: the operand.
        fill: the byte; ``NAN`` or ``HUGE``.
        unaligned: put it one byte off; else where in a cache line the original lies.
    """
    a = np.asarray(a)
    steps = [(n - 1) * stride for n, stride in zip(a.shape, a.strides, strict=True)]
    before = -sum(s for s in steps if s < 0) if a.size else 0
    after = sum(s for s in steps if s > 0) if a.size else 0
    memory = np.full(2 * _BAND + 2 * _LINE + before + after + a.itemsize, fill, np.uint8)
    first = _BAND + before
    first += (a.ctypes.data - memory.ctypes.data - first) % _LINE + unaligned
    array: Array = np.ndarray(a.shape, a.dtype, memory.data, first, a.strides)
    if a.size:
        array[...] = a
    return Placed(array, memory)


def same_bits(a: Array | None, b: Array | None) -> bool:
    """Tell whether two results have the same shape and bytes."""
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
