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
from . import cusim, driver

_ABSENT: dict[str, Callable[[], str | None]] = {"cuda": driver.why_not, "cusim": cusim.why_not}
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

    def _add(fn: Function) -> Function:
        for backend, why_absent in _ABSENT.items():

            def _supports(
                *arrays: Any, _absent: Callable[[], str | None] = why_absent, **params: Any
            ) -> str | None:
                return _absent() or supports(*arrays, **params)

            declared: dict[str, Any] = {"accumulate": accumulate, "exact": exact}
            register(
                op, backend, variant, supports=_supports, by_signature=by_signature, **declared
            )(fn)
        return fn

    return _add
