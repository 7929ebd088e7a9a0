"""Sum, maximum and minimum over axes."""

from . import cpp, cuda, reference

__all__ = ["cpp", "cuda", "reference"]
