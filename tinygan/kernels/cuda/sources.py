"""The CUDA sources: where they lie, what they depend on, and what their kernels take.

A kernel's signature in its ``.cu`` file is the only statement of its parameters. It is read here,
so a launcher can't disagree with it:

    TG_KERNEL __launch_bounds__(256) scale(const float* __restrict__ x, float* y, int n) {

reads as x (float32, read), y (float32, written), n (int).
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import OptionError

_KERNEL = re.compile(r"TG_KERNEL\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)\s*\(([^)]*)\)\s*\{")
_INCLUDE = re.compile(r'^\s*#include\s+"([^"]+)"', re.MULTILINE)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_DTYPES: dict[str, np.dtype[Any]] = {
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
    "int": np.dtype(np.int32),
    "unsigned": np.dtype(np.uint32),
    "long long": np.dtype(np.int64),
    "unsigned long long": np.dtype(np.uint64),
    "unsigned char": np.dtype(np.uint8),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a CUDA kernel.

    Attributes:
        name: as in the source.
        dtype: of the scalar, or of what a pointer points to; None for a struct.
        pointer: it takes an array.
        written: the kernel may write to that array.
        struct: name of the struct that is passed by value, or "".
    """

    name: str
    dtype: np.dtype[Any] | None
    pointer: bool = False
    written: bool = False
    struct: str = ""


@functools.cache
def root() -> Path:
    """Return the folder of the sources: ``csrc/`` of a checkout, or its copy in the package."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "csrc", package.parent / "csrc"):
        if (folder / "common" / "tg_device.cuh").is_file():
            return folder
    raise OptionError(f"no CUDA sources: neither {package / 'csrc'} nor csrc/ beside tinygan/")


@functools.cache
def text(file: str) -> str:
    """Return a source's own text. ``file`` is relative to the root: ``adam/adam.cu``."""
    return (root() / file).read_text(encoding="utf-8")


@functools.cache
def files_of(file: str) -> tuple[str, ...]:
    """Return a source and all that it includes, each once, in the order in which they are met."""
    found = [file]
    for name in found:
        found += [other for other in _INCLUDE.findall(text(name)) if other not in found]
    return tuple(found)


@functools.cache
def digest(file: str, *settings: str) -> str:
    """Return a name for what a source compiles to: it changes with every text and setting."""
    state = hashlib.sha256(repr(settings).encode())
    for name in files_of(file):
        state.update(f"\n{name}\n".encode() + text(name).encode())
    return state.hexdigest()[:32]


@functools.cache
def kernels_of(file: str) -> dict[str, tuple[Parameter, ...]]:
    """Return the parameters of every kernel of a source by its name."""
    plain = _COMMENT.sub("", text(file))
    return {
        name: tuple(_parameter(part) for part in listed.split(",") if part.strip())
        for name, listed in _KERNEL.findall(plain)
    }


def _parameter(declared: str) -> Parameter:
    """Read one parameter as C++ declares it."""
    words = declared.replace("__restrict__", " ").replace("*", " * ").split()
    *kind, name = words
    pointer, constant = "*" in kind, "const" in kind
    base = " ".join(word for word in kind if word not in ("*", "const"))
    if base not in _DTYPES:
        if pointer:
            raise OptionError(f"parameter {declared.strip()!r}: no such pointer can be passed")
        return Parameter(name, None, struct=base)
    return Parameter(name, _DTYPES[base], pointer, written=pointer and not constant)
