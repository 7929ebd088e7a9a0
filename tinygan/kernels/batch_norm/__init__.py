"""Batch normalisation with training statistics, its vjp, and the statistics themselves."""

from . import cpp, cuda, numba_cpu, reference

__all__ = ["cpp", "cuda", "numba_cpu", "reference"]
