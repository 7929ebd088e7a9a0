"""CUDA draws (csrc/philox/philox.cu): words and their map in one pass, the references' bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from ..cuda.graph import active
from ..cuda.launch import RUNNERS, launch
from ..registry import backend_order

_DRAWS = {"uniform": 0, "normal": 1}  # kUniform, kNormal
_FLOAT32 = np.dtype(np.float32)


def refusal(xp: Any) -> str | None:
    """Return why nothing can be drawn for arrays of ``xp`` here, or None."""
    runner = RUNNERS.get(xp.__name__)
    if runner is None:
        return "takes NumPy or CuPy arrays"
    if ("cusim" if xp is np else "cuda") not in backend_order():
        return "the backends in force are others"
    reason: str | None = runner.why_not()
    return reason


def fill_refusal(xp: Any, dtype: Any) -> str | None:
    """Return why ``fill_with`` can't make arrays of ``xp`` of this dtype here, or None."""
    return refusal(xp) if np.dtype(dtype) == _FLOAT32 else "takes float32"


def fill_with(draw: str, out: Array, *, seed: int, stream: int, step: int, start: int) -> None:
    """Fill ``out`` (C order, float32) with draws from word ``start`` of one sequence on.

    Args:
        draw: ``"uniform"``, from [0, 1), or ``"normal"``, from N(0, 1).
        out: takes a word a value.
        seed: the key, 64 bits.
        stream: 32 bits.
        step: 32 bits.
        start: first word, below 2**62.
    """
    place = {"seed": seed, "stream": stream, "step": step, "step_at": _clock(), "start": start}
    launch("philox", out=out, n=out.size, draw=_DRAWS[draw], **place)


def words(xp: Any, *, seed: int, stream: int, step: int, start: int, count: int) -> Array:
    """Return the words ``start .. start + count - 1`` of one sequence; see the reference."""
    out: Array = xp.empty(count, "uint64")
    place = {"seed": seed, "stream": stream, "step": step, "step_at": _clock(), "start": start}
    launch("philox_words", out=out, n=count, **place)
    return out


def _clock() -> Array | None:
    """Return where a captured step reads its number; None: it is an argument."""
    recording = active()
    return None if recording is None else recording.clock
