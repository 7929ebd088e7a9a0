"""One step of SGD with momentum or of RMSprop, in place."""

from . import cpp, reference

__all__ = ["cpp", "reference"]
