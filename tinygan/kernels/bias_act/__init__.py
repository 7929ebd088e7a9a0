"""Bias, activation, gain and clamp in one pass, and its vjp."""

from . import cpp, reference

__all__ = ["cpp", "reference"]
