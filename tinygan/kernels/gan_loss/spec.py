"""The kinds of GAN loss, and the checks that every kernel in Python shares."""

from __future__ import annotations

from ...errors import OptionError, ShapeError
from ..arrays import Array

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
