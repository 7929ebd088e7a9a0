"""The door to the compiled kernels: ``native`` is the module ``tinygan._native``, or ``None``.

The extension is optional. It may be absent (no compiler at install time), built for another Python,
or refuse to load; then tinygan runs on Numba or NumPy, and ``why_not`` says why. The module itself
is compiled for any CPU of its architecture and picks its AVX-512, AVX2 or baseline kernels when it
loads, so a CPU that lacks an instruction set never meets it.

Environment: ``TINYGAN_ISA`` (avx512, avx2 or base) forces an instruction set;
``TINYGAN_NUM_THREADS`` sets the number of threads (default: the CPUs this process may run on). A
value that does not fit is an error where the first kernel is chosen, and not at import, so that a
command line that imports tinygan can say it in one line.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import OptionError

ISAS = ("avx512", "avx2", "base")
MAX_THREADS = 256


def _check_environment() -> None:
    threads = os.environ.get("TINYGAN_NUM_THREADS") or "1"
    is_number = threads.isascii() and threads.isdecimal()
    if not (is_number and 1 <= int(threads) <= MAX_THREADS):
        raise OptionError(f"TINYGAN_NUM_THREADS={threads}: use a number from 1 to {MAX_THREADS}")
    isa = os.environ.get("TINYGAN_ISA") or ISAS[0]
    if isa not in ISAS:
        raise OptionError(f"TINYGAN_ISA={isa}: use one of {', '.join(ISAS)}")


def _load() -> tuple[Any, str | None]:
    """Import the extension; return it, or ``None`` and the reason.

    Raises:
        OptionError: the environment asks for what there is not.
    """
    _check_environment()
    try:
        return importlib.import_module("tinygan._native"), None
    except ModuleNotFoundError:
        return None, "not built" if _has_compiler() else "not built (no g++)"
    except ImportError as error:
        reason = str(error).splitlines()[0]
        if reason.startswith("TINYGAN_ISA="):
            raise OptionError(reason) from None
        return None, f"not loaded ({reason})"


def _has_compiler() -> bool:
    named = os.environ.get("CXX", "").split()[:1]
    return any(shutil.which(name) for name in named or ["g++", "c++", "clang++"])


_wrong: str | None = None  # what the environment asks for in vain
try:
    native, _reason = _load()
except OptionError as error:
    native = None
    _reason = _wrong = str(error)


def check_environment() -> None:
    """Refuse to run kernels at all where the environment asks for what there is not.

    Raises:
        OptionError: ``TINYGAN_ISA`` or ``TINYGAN_NUM_THREADS``, as they were at import, do not fit.
    """
    if _wrong is not None:
        raise OptionError(_wrong)


def why_not() -> str | None:
    """Return ``None`` where the C++ kernels are loaded, else the reason why they aren't."""
    return _reason


@contextmanager
def use_threads(count: int | None) -> Iterator[None]:
    """Run C++ kernels on so many threads until the ``with`` block ends; None leaves them as is."""
    if native is None or count is None:
        yield
        return
    before = native.num_threads()
    native.set_num_threads(count)
    try:
        yield
    finally:
        native.set_num_threads(before)


def notice() -> str | None:
    """Return the line that a user should see once where the C++ kernels are missing, else ``None``.

    Printing it is left to the command line: importing a library stays silent.
    """
    if native is not None:
        return None
    # convolutions on DCGAN's layers, one thread (kernels/conv2d/README.md)
    instead, slower = ("Numba", "1.5") if importlib.util.find_spec("numba") else ("NumPy", "3")
    rebuild = "TINYGAN_REQUIRE_CPP=1 pip install --force-reinstall --no-deps tinygan"
    todo = rebuild if _has_compiler() else f"install g++, then {rebuild}"
    using = f"using {instead}, about {slower} times slower"
    return f"C++ kernels {_reason}: {using}; to build them: {todo}"
