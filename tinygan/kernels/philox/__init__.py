"""Philox4x32-10: random words as a pure function of a key and a counter."""

from .cpp import fill_refusal, fill_with
from .normal import log, normal_from_uniform
from .reference import philox4x32, words

__all__ = ["fill_refusal", "fill_with", "log", "normal_from_uniform", "philox4x32", "words"]
