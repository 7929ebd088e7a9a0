"""Batch normalisation with training statistics, its vjp, and the statistics themselves."""

from . import cpp, numba_cpu, reference

__all__ = ["cpp", "numba_cpu", "reference"]
