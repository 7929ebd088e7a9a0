"""Layer normalisation over the last axes of an array, and its vjp."""

from . import cpp, cuda, numba_cpu, reference

__all__ = ["cpp", "cuda", "numba_cpu", "reference"]
