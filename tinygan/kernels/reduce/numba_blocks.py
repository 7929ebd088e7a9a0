"""What the Numba kernels of this family share: the decorator, the blocks, the refusal.

Numba compiles a function on its first call for each dtype and keeps the code on disk. Where Numba
is absent ``compiled`` leaves the functions as they are and ``numba_refusal`` keeps them unused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..arrays import Array
from .rows import float_refusal

Function = TypeVar("Function", bound=Callable[..., Any])

numba: Any
try:
    import numba
except ImportError:
    numba = None

BLOCK_ELEMENTS = 32768  # small enough for the L2 cache; fixed, so that bits don't hang on threads

prange = range if numba is None else numba.prange


def compiled(*, parallel: bool) -> Callable[[Function], Function]:
    """Return the decorator that compiles a function with IEEE arithmetic, cached on disk."""

    def decorate(fn: Function) -> Function:
        if numba is None:
            return fn
        out: Function = numba.njit(parallel=parallel, cache=True, error_model="numpy")(fn)
        return out

    return decorate


def numba_refusal(*arrays: Array | None) -> str | None:
    """Return why the Numba kernels can't take these arrays, or None."""
    return "Numba is not installed" if numba is None else float_refusal(*arrays)


def rows_per_block(x: Array) -> int:
    """Return how many rows of (rows, channels) make a block: a function of the shape alone."""
    return max(1, BLOCK_ELEMENTS // int(x.shape[1]))
