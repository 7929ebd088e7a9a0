"""Batch normalisation with training statistics, its vjp, and the statistics themselves."""

from . import cpp, reference

__all__ = ["cpp", "reference"]
