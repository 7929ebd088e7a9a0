"""Scaled dot-product attention without a mask, and its vjp."""

from . import cpp, cuda, reference

__all__ = ["cpp", "cuda", "reference"]
