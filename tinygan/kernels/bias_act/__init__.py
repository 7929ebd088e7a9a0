"""Bias, activation, gain and clamp in one pass, and its vjp."""

from . import cpp, cuda, numba_cpu, reference

__all__ = ["cpp", "cuda", "numba_cpu", "reference"]
