"""unfold (im2col) and fold (col2im), each the other's adjoint (README.md)."""

from . import cpp, cuda, numba_cpu, reference
from .spec import UnfoldSpec

__all__ = ["UnfoldSpec", "cpp", "cuda", "numba_cpu", "reference"]
