"""What operands an Adam step takes, checked in one place for every kernel in Python."""

from __future__ import annotations

from ...errors import DtypeError, OptionError, ShapeError
from ..arrays import Array


def check_operands(p: Array, g: Array, m: Array, v: Array, step: int) -> None:
    """Raise unless all four arrays agree in shape and dtype and step counts from 1.

    Raises:
        ShapeError: the shapes differ.
        DtypeError: the dtypes differ.
        OptionError: step is below 1, where the bias correction divides by zero.
    """
    for name, a in (("g", g), ("m", m), ("v", v)):
        if a.shape != p.shape:
            raise ShapeError(f"adam: {name} must have the shape of p {p.shape}, got {a.shape}")
        if a.dtype != p.dtype:
            raise DtypeError(f"adam: p is {p.dtype}, {name} is {a.dtype}; they must agree")
    if step < 1:
        raise OptionError(f"adam: step counts from 1, got {step}")
