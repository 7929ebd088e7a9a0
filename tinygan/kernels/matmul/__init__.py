"""Matrix products, and the dense layer."""

from . import cpp, cuda, reference

__all__ = ["cpp", "cuda", "reference"]
