"""Bias, activation, gain and clamp in one pass, and its vjp."""

from . import cpp, numba_cpu, reference

__all__ = ["cpp", "numba_cpu", "reference"]
