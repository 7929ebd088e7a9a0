"""Interpolation: a sparse matrix along each axis, and the transposed ones (README.md)."""

from . import cpp, cuda, numba_cpu, reference
from .spec import ResizeSpec

__all__ = ["ResizeSpec", "cpp", "cuda", "numba_cpu", "reference"]
