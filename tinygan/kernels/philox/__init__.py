"""Philox4x32-10: random words as a pure function of a key and a counter."""

from typing import Any

from . import cpp, cuda
from .normal import log, normal_from_uniform
from .reference import philox4x32, words

__all__ = ["cpp", "cuda", "filler", "log", "normal_from_uniform", "philox4x32", "speller", "words"]


def filler(xp: Any, dtype: Any) -> Any:
    """Return the module whose ``fill_with`` draws arrays of ``xp`` of this dtype, or None."""
    for module in (cpp, cuda):
        if module.fill_refusal(xp, dtype) is None:
            return module
    return None


def speller(xp: Any) -> Any:
    """Return the function that makes ``words`` for arrays of ``xp``."""
    return words if cuda.refusal(xp) is not None else cuda.words
