"""Spectral normalisation of a weight by power iteration, and its vjp."""

from . import reference

__all__ = ["reference"]
