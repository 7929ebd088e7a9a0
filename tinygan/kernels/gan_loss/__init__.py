"""The per-logit losses of the classic GANs, averaged, and their vjp."""

from . import reference

__all__ = ["reference"]
