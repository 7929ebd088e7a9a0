"""Sum, maximum and minimum over axes."""

from . import cpp, reference

__all__ = ["cpp", "reference"]
