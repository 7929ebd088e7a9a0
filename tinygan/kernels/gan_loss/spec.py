"""The kinds of GAN loss, and what every kernel in Python shares."""

from __future__ import annotations

from ...errors import OptionError, ShapeError
from ..arrays import Array, is_channels_last
from ..reduce.rows import c_order

KINDS = ("logistic", "hinge", "wasserstein", "least_squares")


def check_operands(op: str, logit: Array, kind: str) -> None:
    """Raise unless the kind is known and there is a logit to average.

    Raises:
        OptionError: the kind is unknown.
        ShapeError: there is no logit.
    """
    if kind not in KINDS:
        raise OptionError(f"{op}: no kind {kind!r}: use one of {', '.join(KINDS)}")
    if not logit.size:
        raise ShapeError(f"{op}: logit {logit.shape} has no element to average")


def flat(x: Array) -> Array:
    """Return the elements in the memory order that ``empty_like`` gives."""
    ordered = x.transpose(0, 2, 3, 1) if is_channels_last(x) else x
    return c_order(ordered).reshape(-1)
