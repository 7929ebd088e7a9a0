"""What operands an Adam step takes, checked in one place for every kernel in Python."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import OptionError
from ..arrays import Array
from ..groups import groups


def checked_groups(arrays: Sequence[Array], step: int) -> list[Sequence[Array]]:
    """Cut the operands into (p, g, m, v), which must agree; ``step`` must count from 1.

    Raises:
        ShapeError: the shapes differ, or an array is missing.
        DtypeError: the dtypes differ.
        OptionError: step is below 1, where the bias correction divides by zero.
    """
    if step < 1:
        raise OptionError(f"adam: step counts from 1, got {step}")
    return groups("adam", arrays, ("p", "g", "m", "v"))
