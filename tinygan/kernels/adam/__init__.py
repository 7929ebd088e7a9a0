"""One step of Adam or AdamW, in place."""

from . import cpp, reference

__all__ = ["cpp", "reference"]
