"""One step of Adam or AdamW, in place."""

from . import cpp, cuda, reference

__all__ = ["cpp", "cuda", "reference"]
