"""Matrix products."""

from . import cpp, reference

__all__ = ["cpp", "reference"]
