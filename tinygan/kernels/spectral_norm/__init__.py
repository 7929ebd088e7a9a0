"""Spectral normalisation of a weight by power iteration, and its vjp."""

from . import cpp, reference

__all__ = ["cpp", "reference"]
