"""Matrix products, and the dense layer."""

from . import cpp, reference

__all__ = ["cpp", "reference"]
