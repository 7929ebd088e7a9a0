"""Reference of the elementwise op: the array library's ufunc, its output laid out as its input."""

from __future__ import annotations

from .. import arrays
from ..arrays import Array
from ..registry import register_reference


@register_reference("elementwise")
def elementwise(*xs: Array, fn: str) -> Array:
    """Apply a function to one array or to two that broadcast.

    Shapes: a, or a and b -> their broadcast shape; channels last where a full-shape operand is.

    Args:
        xs: the operands, of one dtype.
        fn: one of ``spec.FUNCTIONS``.
    """
    return arrays.elementwise(fn, *xs)
