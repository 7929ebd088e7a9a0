"""Pixel shuffle and its inverse: channels become pixels and back."""

from . import cpp, reference

__all__ = ["cpp", "reference"]
