"""Functions of one or two operands, entry by entry."""

from . import cuda, reference
from .spec import FUNCTIONS

__all__ = ["FUNCTIONS", "cuda", "reference"]
