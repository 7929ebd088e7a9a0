"""The per-logit losses of the classic GANs, averaged, and their vjp."""

from . import cpp, cuda, reference

__all__ = ["cpp", "cuda", "reference"]
