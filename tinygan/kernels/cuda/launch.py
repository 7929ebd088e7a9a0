"""The one door to the GPU: check the arguments of a kernel, pack them and launch it.

CuPy checks nothing that it passes to a kernel of one's own: a float64 array where float32 is due, a
view with gaps, a forgotten argument all run, and write anywhere. So every launch is checked against
the kernel's signature here: names, dtypes, contiguity, ranges of scalars, one library for all
arrays. NumPy arrays go to the emulator, CuPy arrays to the GPU; grid, packing and shared memory are
the same for both. ``RUNNERS`` says which module runs the arrays of a library.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import LaunchError
from ..arrays import Array, is_numpy, xp_of
from . import cusim, driver
from .graph import active
from .sources import Parameter
from .spec import MOST_BLOCKS
from .table import TABLE

_SCALARS: dict[str, type[Any]] = {
    "f4": ctypes.c_float,
    "f8": ctypes.c_double,
    "i4": ctypes.c_int32,
    "u4": ctypes.c_uint32,
    "i8": ctypes.c_int64,
    "u8": ctypes.c_uint64,
}
_STRUCT_ALIGNMENT = 16


@dataclass(frozen=True, slots=True)
class Packed:
    """A struct that is passed by value and holds addresses.

    Attributes:
        data: its bytes.
        libraries: the array libraries whose memory they point to, with the current device.
        arrays: that lie there.
    """

    data: bytes
    libraries: dict[str, int]
    arrays: tuple[Array, ...]


class _Pointer(ctypes.c_void_p):
    """An address that keeps its array alive, as long as a tape or a queue holds it."""

    arrays: tuple[Array, ...] = ()


RUNNERS: dict[str, Any] = {"numpy": cusim, "cupy": driver}  # by the name of the array library


def why_not(*arrays: Array | None) -> str | None:
    """Return why kernels can't run on arrays of this library here, or None."""
    for a in arrays:
        if a is not None:
            runner = RUNNERS.get(xp_of(a).__name__)
            return "takes NumPy or CuPy arrays" if runner is None else runner.why_not()
    return None


def launch(entry: str, **arguments: Any) -> None:
    """Launch a kernel of the table on its whole grid.

    Args:
        entry: its name.
        arguments: one for each parameter in the source, by name. Arrays are NumPy's (emulator) or
            CuPy's (the current stream), C contiguous; None is a null pointer. A struct is bytes.

    Raises:
        LaunchError: no such kernel, or an argument does not fit; the message names it.
        CompileError: the source does not compile, or there is no compiler.
    """
    row = TABLE.get(entry)
    if row is None:
        raise LaunchError(f"no CUDA kernel {entry!r} in the table: {', '.join(TABLE)} fit")
    if arguments.keys() != _names(entry).keys():
        raise LaunchError(f"{entry}: takes {', '.join(_names(entry))}, got {', '.join(arguments)}")
    libraries: dict[str, int] = {}
    kept = [_pack(entry, p, arguments[p.name], libraries) for p in row.parameters]
    if len(libraries) != 1:
        raise LaunchError(f"{entry}: all arrays must be NumPy's, or all CuPy's")
    scalars = {p.name: arguments[p.name] for p in row.parameters if not p.pointer}
    if row.needs is not None and (reason := row.needs(**scalars)):
        raise LaunchError(f"{entry}: {reason}")
    grid = row.grid(**scalars)
    if 0 in grid:
        return
    if any(not 0 < count <= most for count, most in zip(grid, MOST_BLOCKS, strict=True)):
        raise LaunchError(f"{entry}: a grid of {grid} blocks, at most {MOST_BLOCKS} fit")
    shared = 0 if row.shared is None else row.shared(**scalars)
    recording = active()
    if recording is None or recording.phase == "recording":
        RUNNERS[next(iter(libraries))].run(row, grid, shared, kept)


@functools.cache
def _names(entry: str) -> dict[str, None]:
    return dict.fromkeys(p.name for p in TABLE[entry].parameters)


def _pack(entry: str, p: Parameter, value: Any, libraries: dict[str, int]) -> Any:
    """Return an argument as C holds it; note the library of its array."""
    if p.pointer:
        assert p.dtype is not None
        pointer = _Pointer(address(entry, p.name, p.dtype, value, libraries, written=p.written))
        pointer.arrays = () if value is None else (value,)
        return pointer
    if p.struct:
        if isinstance(value, Packed):
            libraries.update(value.libraries)
            placed = _aligned(value.data)
            placed.arrays = value.arrays
            return placed
        if not isinstance(value, bytes):
            raise LaunchError(f"{entry}: {p.name} must be the bytes of a {p.struct}")
        return _aligned(value)
    assert p.dtype is not None
    if p.dtype.kind != "f" and not _fits(value, p.dtype):
        raise LaunchError(f"{entry}: {p.name} must be a whole number of {p.dtype}, got {value!r}")
    return _SCALARS[p.dtype.str[1:]](value)


def _fits(value: Any, dtype: np.dtype) -> bool:
    limits = np.iinfo(dtype)
    return isinstance(value, int | np.integer) and bool(limits.min <= value <= limits.max)


def _aligned(value: bytes) -> Any:
    """Copy bytes to where a struct of any kind may begin."""
    raw = ctypes.create_string_buffer(len(value) + _STRUCT_ALIGNMENT)
    offset = -ctypes.addressof(raw) % _STRUCT_ALIGNMENT
    placed = (ctypes.c_char * len(value)).from_buffer(raw, offset)
    ctypes.memmove(placed, value, len(value))
    return placed


def address(
    entry: str,
    name: str,
    dtype: np.dtype[Any],
    a: Array | None,
    libraries: dict[str, int],
    *,
    written: bool = False,
) -> int:
    """Return where an array begins, and note its library and the device in use; 0 for None.

    Raises:
        LaunchError: its dtype, its layout, or where it lies does not fit.
    """
    if a is None:
        return 0
    library = xp_of(a).__name__
    if library not in libraries:
        libraries[library] = RUNNERS[library].device()
    if a.dtype != dtype and not (a.dtype == np.bool_ and dtype == np.uint8):
        raise LaunchError(f"{entry}: {name} must be {dtype}, got {a.dtype}")
    if not a.flags.c_contiguous:
        raise LaunchError(f"{entry}: {name} must be C contiguous, got strides {a.strides}")
    if not is_numpy(a):
        return _device_address(entry, name, a, libraries[library])
    if written and not a.flags.writeable:
        raise LaunchError(f"{entry}: {name} is written to, and must not be read-only")
    place: int = a.__array_interface__["data"][0]
    if place % a.dtype.itemsize:
        raise LaunchError(f"{entry}: {name} must be aligned to {a.dtype.itemsize} bytes")
    return place


def _device_address(entry: str, name: str, a: Any, here: int) -> int:
    if a.device.id != here:
        raise LaunchError(
            f"{entry}: {name} is on device {a.device.id}, and the current one is {here}"
        )
    return int(a.data.ptr)
