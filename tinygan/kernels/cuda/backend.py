"""Registration of CUDA launchers: one function for the GPU (``cuda``) and the emulator (``cusim``).

A launcher allocates with ``xp_of(x)`` and calls ``launch``, so that it does not know which of the
two it drives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array
from ..registry import Accumulate, Function, Supports, register
from .launch import why_not

_FLOAT32 = np.dtype(np.float32)


def cuda_refusal(*arrays: Array | None, **_: Any) -> str | None:
    """Return why float32 kernels can't take these arrays, or None."""
    for a in arrays:
        if a is not None and a.dtype != _FLOAT32:
            return f"takes float32, got {a.dtype}"
        if a is not None and not a.size:
            return f"takes at least one element, got {a.shape}"
    return None


def register_cuda(
    op: str,
    variant: str,
    *,
    supports: Supports = cuda_refusal,
    accumulate: Accumulate = "float32",
    exact: bool = False,
    by_signature: bool = True,
) -> Callable[[Function], Function]:
    """Return a decorator that adds a launcher as a kernel of ``op`` on GPU and emulator.

    Args:
        op: the op's name.
        variant: the algorithm.
        supports: as in ``register``.
        accumulate: the type in which it carries sums.
        exact: as in ``register``.
        by_signature: as in ``register``.
    """

    def _supports(*arrays: Any, **params: Any) -> str | None:
        return why_not(*arrays) or supports(*arrays, **params)

    declared: dict[str, Any] = {
        "supports": _supports,
        "accumulate": accumulate,
        "exact": exact,
        "by_signature": by_signature,
    }

    def _add(fn: Function) -> Function:
        for backend in ("cuda", "cusim"):
            register(op, backend, variant, **declared)(fn)
        return fn

    return _add
