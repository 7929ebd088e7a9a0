"""Group normalisation and its vjp; with one channel a group it is instance normalisation."""

from . import cpp, cuda, numba_cpu, reference

__all__ = ["cpp", "cuda", "numba_cpu", "reference"]
