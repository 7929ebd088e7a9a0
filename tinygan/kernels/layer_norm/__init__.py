"""Layer normalisation over the last axes of an array, and its vjp."""

from . import cpp, numba_cpu, reference

__all__ = ["cpp", "numba_cpu", "reference"]
