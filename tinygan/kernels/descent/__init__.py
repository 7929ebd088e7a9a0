"""One step of SGD with momentum or of RMSprop, in place."""

from . import cpp, cuda, reference

__all__ = ["cpp", "cuda", "reference"]
