"""Pixel shuffle and its inverse: channels become pixels and back."""

from . import cpp, cuda, reference

__all__ = ["cpp", "cuda", "reference"]
