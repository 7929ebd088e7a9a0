"""Sum, maximum and minimum over axes."""

from . import reference

__all__ = ["reference"]
