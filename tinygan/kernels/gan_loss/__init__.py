"""The per-logit losses of the classic GANs, averaged, and their vjp."""

from . import cpp, reference

__all__ = ["cpp", "reference"]
