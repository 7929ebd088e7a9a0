"""Spectral normalisation of a weight by power iteration, and its vjp."""

from . import cpp, cuda, reference

__all__ = ["cpp", "cuda", "reference"]
