"""softmax, its vjp in terms of its own output, and logsumexp, along one axis."""

from . import cpp, cuda, reference

__all__ = ["cpp", "cuda", "reference"]
