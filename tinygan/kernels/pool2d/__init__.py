"""Average pooling and its adjoint; max pooling, its index, gather and scatter."""

from . import cpp, cuda, reference

__all__ = ["cpp", "cuda", "reference"]
