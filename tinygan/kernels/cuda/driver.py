"""Kernels on a GPU: binaries by NVRTC, loaded and launched through the driver (``libcuda``).

CuPy owns the memory and the streams; this module only loads cubins into the context that CuPy
made, once a device, and launches them on CuPy's current stream.
"""

from __future__ import annotations

import ctypes
import functools
import sys

from ...errors import LaunchError
from . import nvrtc
from .spec import Arguments, CudaKernel, Grid, pointers

_MOST_SHARED_BY_DEFAULT = 48 * 1024
_MAX_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES


@functools.cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")


@functools.cache
def why_not() -> str | None:
    """Return why kernels can't run on a GPU here, or None."""
    try:
        _library()
    except OSError:
        return "no NVIDIA driver: libcuda.so.1 does not load"
    return nvrtc.why_not()


def _call(name: str, *arguments: object) -> None:
    status = getattr(_library(), name)(*arguments)
    if status:
        text = ctypes.c_char_p()
        _library().cuGetErrorString(status, ctypes.byref(text))
        raise LaunchError(f"{name}: {(text.value or b'unknown error').decode()}")


def device() -> int:
    """Return the number of CuPy's current device."""
    return int(sys.modules["cupy"].cuda.Device().id)


def architecture(device: int) -> str:
    """Return the architecture of a device, ``sm_90``."""
    return f"sm_{sys.modules['cupy'].cuda.Device(device).compute_capability}"


@functools.cache
def _function(row: CudaKernel, device: int) -> ctypes.c_void_p:
    module, function = _module(row.file, row.options, device), ctypes.c_void_p()
    _call("cuModuleGetFunction", ctypes.byref(function), module, row.entry.encode())
    return function


@functools.cache
def _module(file: str, options: tuple[str, ...], device: int) -> ctypes.c_void_p:
    binary, _ = nvrtc.cubin(file, architecture(device), options)
    module = ctypes.c_void_p()
    _call("cuModuleLoadData", ctypes.byref(module), binary)
    return module


@functools.cache
def _allow_shared(function_at: int, shared_bytes: int) -> None:
    function = ctypes.c_void_p(function_at)
    _call("cuFuncSetAttribute", function, _MAX_DYNAMIC_SHARED, shared_bytes)


def run(row: CudaKernel, grid: Grid, shared_bytes: int, arguments: Arguments) -> None:
    """Launch a kernel on CuPy's current device and stream; arguments as in ``cusim.run``.

    Raises:
        CompileError: the source does not compile.
        LaunchError: the driver refuses.
    """
    function = _function(row, device())
    if shared_bytes > _MOST_SHARED_BY_DEFAULT:
        _allow_shared(function.value or 0, shared_bytes)
    stream = ctypes.c_void_p(sys.modules["cupy"].cuda.get_current_stream().ptr)
    block = (row.threads, 1, 1)
    values = pointers(arguments)
    _call("cuLaunchKernel", function, *grid, *block, shared_bytes, stream, values, None)
