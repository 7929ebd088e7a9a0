"""What operands group_norm takes, checked in one place for every kernel written in Python."""

from __future__ import annotations

from ...errors import OptionError, ShapeError
from ..arrays import Array
from ..batch_norm.spec import check_vectors


def check_groups(op: str, x: Array, weight: Array, bias: Array, num_groups: int) -> None:
    """Raise unless x is (N, C, ...), weight and bias are (C,) and the groups divide C evenly.

    Raises:
        ShapeError: x has fewer than two axes or a group has no value, or an operand is not (C,).
        DtypeError: the operands differ in dtype.
        OptionError: the channels do not fall into ``num_groups`` groups of one size.
    """
    check_vectors(op, x, weight, bias)
    if 0 in x.shape[1:]:
        raise ShapeError(f"{op}: x {x.shape} has no value to average in a group")
    if num_groups < 1 or x.shape[1] % num_groups:
        raise OptionError(f"{op}: {x.shape[1]} channels do not fall into {num_groups} groups")
