"""Interpolation: a sparse matrix along each axis, and the transposed ones (README.md)."""

from . import cpp, numba_cpu, reference
from .spec import ResizeSpec

__all__ = ["ResizeSpec", "cpp", "numba_cpu", "reference"]
