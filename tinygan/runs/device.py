"""Where a run computes: the CPU or a GPU, which kernels, and why."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DeviceError, OptionError
from ..kernels import native, use_backend
from ..kernels.cuda import cusim
from .environment import cpu_name

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Device:
    """A place to compute.

    Attributes:
        name: ``"cpu"`` or ``"cuda"``.
        xp: its array library, NumPy or CuPy.
        why: what it is and why it was taken, for the user.
    """

    name: str
    xp: Any
    why: str


def choose_device(name: str = "auto") -> Device:
    """Find the device of that name; ``"auto"`` is a GPU where one can be used.

    Raises:
        OptionError: no device has that name.
        DeviceError: ``"cuda"`` was asked for and can't be used; the message has the reason.
    """
    if name not in DEVICES:
        raise OptionError(f"device {name!r}: use {', '.join(DEVICES[:-1])} or {DEVICES[-1]}")
    if name == "cpu":
        return Device("cpu", np, f"{cpu_name()}, as asked for")
    reason = why_no_gpu()
    if reason is None:
        cupy = importlib.import_module("cupy")
        return Device("cuda", cupy, gpu_name())
    if name == "cuda":
        raise DeviceError(f"device cuda can't be used: {reason}; use --device cpu")
    return Device("cpu", np, f"{cpu_name()} (no GPU: {reason})")


def why_no_gpu() -> str | None:
    """Return None if CuPy and a GPU are there, else what is missing."""
    if importlib.util.find_spec("cupy") is None:
        return "CuPy is not installed"
    try:
        cupy = importlib.import_module("cupy")
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy raises its own kinds, which can't be named without it
        return " ".join(str(error).split()) or type(error).__name__
    return None if count else "no CUDA device was found"


def gpu_name() -> str:
    """Return the name of the GPU in use."""
    runtime = importlib.import_module("cupy").cuda.runtime
    name = runtime.getDeviceProperties(runtime.getDevice())["name"]
    return name.decode() if isinstance(name, bytes) else str(name)


def why_no_backend(name: str) -> str | None:
    """Return None if a backend's kernels can run on this machine, else the reason."""
    if name == "cpp":
        return None if native.native is not None else f"C++ kernels {native.why_not()}"
    if name == "numba":
        return None if importlib.util.find_spec("numba") else "Numba is not installed"
    if name == "cusim":
        return cusim.why_not()
    return why_no_gpu() if name in ("cuda", "cupy") else None


def kernels_of(backend: str) -> AbstractContextManager[None]:
    """Return a context in which only the named backends run; ``""`` leaves the choice free.

    Args:
        backend: names with commas between them, the preferred one first: ``"cpp,numpy"``.

    Raises:
        OptionError: a name is unknown, or its kernels can't run here.
    """
    if not backend:
        return nullcontext()
    names = tuple(part.strip() for part in backend.split(","))
    context = use_backend(*names)
    with use_backend(*names):  # an unknown name is refused now, not at the first step
        for name in names:
            reason = why_no_backend(name)
            if reason:
                raise OptionError(f"backend {name} can't be used: {reason}")
    return context


@functools.cache
def _blas() -> Any:
    return importlib.import_module("threadpoolctl").ThreadpoolController()


@contextmanager
def computing(backend: str) -> Iterator[None]:
    """Compute as a run does until the block ends: on the named kernels, one BLAS thread.

    With another number of threads BLAS gives other bits, so a run resumed elsewhere would not go on
    as it was; and on a busy machine BLAS threads that wait for each other cost far more than they
    bring. The C++ kernels have threads of their own, and the same bits on any number of them.

    Raises:
        OptionError: as ``kernels_of``.
    """
    with kernels_of(backend), _blas().limit(limits=1, user_api="blas"):
        yield
