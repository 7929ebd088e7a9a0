"""unfold (im2col) and fold (col2im), each the other's adjoint (README.md)."""

from . import cpp, reference
from .spec import UnfoldSpec

__all__ = ["UnfoldSpec", "cpp", "reference"]
