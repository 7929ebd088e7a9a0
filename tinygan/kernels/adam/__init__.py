"""One step of Adam or AdamW, in place."""

from . import reference

__all__ = ["reference"]
