"""CUDA C++ to cubin by NVRTC, through ctypes: it needs no GPU, no driver and no host compiler.

The library comes with the wheel ``nvidia-cuda-nvrtc`` (the extra ``cuda13``), with PyTorch's
dependencies, or from a toolkit on the system. Options are few on purpose: IEEE division and square
roots, denormals kept, no fast-math; products and sums may contract to FMA, as on every peer.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from ...errors import CompileError
from . import sources
from .cache import cached

OPTIONS = ("-std=c++17", "--ptxas-options=-v", "-lineinfo", "-default-device")
_WHEELS = ("nvidia.cu13", "nvidia.cuda_nvrtc")  # of CUDA 13, and of 11 and 12
_REPORT = re.compile(
    r"Compiling entry function '(\w+)' for '\w+'.*?(\d+) bytes stack frame, (\d+) bytes spill "
    r"stores, (\d+) bytes spill loads.*?Used (\d+) registers",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Resources:
    """What the assembler says that a kernel takes of a thread.

    Attributes:
        registers: 32-bit registers.
        stack: bytes of local memory for its own arrays.
        spills: bytes stored to and loaded from local memory for want of registers.
    """

    registers: int
    stack: int
    spills: int


def _candidates() -> list[str]:
    found = []
    for wheel in _WHEELS:
        try:
            spec = importlib.util.find_spec(wheel)
        except ModuleNotFoundError:
            continue
        for folder in (spec and spec.submodule_search_locations) or ():
            found += sorted(map(str, Path(folder, "lib").glob("libnvrtc.so.*")), reverse=True)
    on_system = ctypes.util.find_library("nvrtc")
    return [*found, on_system] if on_system else found


@functools.cache
def _library() -> tuple[ctypes.CDLL | None, str]:
    """Load NVRTC; return it, or None and the reason."""
    candidates = _candidates()
    for path in candidates:
        try:
            for builtins in Path(path).parent.glob("libnvrtc-builtins.so.*"):
                ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)  # found by bare name only
            library = ctypes.CDLL(path)
        except OSError as error:
            return None, f"{Path(path).name} does not load: {error}"
        library.nvrtcGetErrorString.restype = ctypes.c_char_p
        return library, ""
    return None, "no NVRTC: pip install 'tinygan[cuda13]' brings it"


def why_not() -> str | None:
    """Return why nothing can be compiled here, or None."""
    return _library()[1] or None


def _call(name: str, *arguments: object) -> None:
    library, reason = _library()
    if library is None:
        raise CompileError(reason)
    status = getattr(library, name)(*arguments)
    if status:
        raise CompileError(f"{name}: {library.nvrtcGetErrorString(status).decode()}")


@functools.cache
def version() -> tuple[int, int]:
    """Return NVRTC's version.

    Raises:
        CompileError: there is none.
    """
    major, minor = ctypes.c_int(), ctypes.c_int()
    _call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


@functools.cache
def architectures() -> tuple[str, ...]:
    """Return the architectures that this NVRTC compiles for: ``sm_90``.

    Raises:
        CompileError: there is no NVRTC.
    """
    count = ctypes.c_int()
    _call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
    found = (ctypes.c_int * count.value)()
    _call("nvrtcGetSupportedArchs", found)
    return tuple(f"sm_{arch}" for arch in found)


def cubin(file: str, arch: str, own_options: tuple[str, ...] = ()) -> tuple[bytes, str]:
    """Return a source's binary for an architecture, and what the assembler said of its kernels.

    Both are kept on disk under a digest of the source, every header, the architecture, NVRTC's
    version and the options.

    Raises:
        CompileError: there is no NVRTC, or the source does not compile.
    """
    options = (f"-arch={arch}", *OPTIONS, *own_options)
    name = sources.digest(file, *map(str, version()), *options)
    made: dict[str, bytes] = {}

    def _make(suffix: str, path: Path) -> None:
        if not made:
            made[".cubin"], made[".log"] = _compile(file, options)
        path.write_bytes(made[suffix])

    log = cached(f"{name}.log", lambda path: _make(".log", path))
    binary = cached(f"{name}.cubin", lambda path: _make(".cubin", path))
    return binary.read_bytes(), log.read_text()


def _compile(file: str, options: tuple[str, ...]) -> tuple[bytes, bytes]:
    flags = [*options, f"-I{sources.root()}"]
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    source = sources.text(file).encode()
    _call("nvrtcCreateProgram", ctypes.byref(program), source, file.encode(), 0, None, None)
    try:
        given = (ctypes.c_char_p * len(flags))(*(flag.encode() for flag in flags))
        try:
            _call("nvrtcCompileProgram", program, len(flags), given)
        except CompileError:
            raise CompileError(f"{file} for {options[0]}: {_log(program).strip()}") from None
        _call("nvrtcGetCUBINSize", program, ctypes.byref(size))
        binary = ctypes.create_string_buffer(size.value)
        _call("nvrtcGetCUBIN", program, binary)
        return binary.raw, _log(program).encode()
    finally:
        _call("nvrtcDestroyProgram", ctypes.byref(program))


def _log(program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    _call("nvrtcGetProgramLogSize", program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    _call("nvrtcGetProgramLog", program, log)
    return log.value.decode()


def resources(log: str) -> dict[str, Resources]:
    """Read what the assembler said of each kernel."""
    return {
        entry: Resources(int(registers), int(stack), int(stores) + int(loads))
        for entry, stack, stores, loads, registers in _REPORT.findall(log)
    }
