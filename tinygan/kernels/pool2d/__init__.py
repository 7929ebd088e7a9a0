"""Average pooling and its adjoint; max pooling, its index, gather and scatter."""

from . import cpp, reference

__all__ = ["cpp", "reference"]
