"""Scaled dot-product attention without a mask, and its vjp."""

from . import cpp, reference

__all__ = ["cpp", "reference"]
