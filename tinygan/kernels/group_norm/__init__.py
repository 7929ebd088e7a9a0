"""Group normalisation and its vjp; with one channel a group it is instance normalisation."""

from . import cpp, numba_cpu, reference

__all__ = ["cpp", "numba_cpu", "reference"]
