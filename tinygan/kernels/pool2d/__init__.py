"""Average pooling and its adjoint; max pooling as a choice of indices, gather and scatter."""

from . import reference

__all__ = ["reference"]
