"""C++ draws (csrc/philox): words and their map in one pass, with the bits of the references."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FLOATS, Array
from ..native import native, why_not
from ..registry import backend_order

DRAWS = ("uniform", "normal")


def fill_refusal(xp: Any, dtype: Any) -> str | None:
    """Return why ``fill_with`` can't make arrays of ``xp`` of this dtype here, or None."""
    if native is None:
        return f"C++ kernels {why_not()}"
    if xp is not np or np.dtype(dtype) not in FLOATS:
        return "takes NumPy arrays of float32 and float64"
    return None if "cpp" in backend_order() else "the backends in force are others"


def fill_with(draw: str, out: Array, *, seed: int, stream: int, step: int, start: int) -> None:
    """Fill ``out`` (C order) with draws from word ``start`` of one (seed, stream, step) on.

    Args:
        draw: one of ``DRAWS``: from [0, 1), or from N(0, 1).
        out: float32, which takes a word a value, or float64, which takes two.
        seed: the key, 64 bits.
        stream: 32 bits.
        step: 32 bits.
        start: first word, below 2**62.
    """
    native.philox(DRAWS.index(draw), seed, stream, step, start, out)
