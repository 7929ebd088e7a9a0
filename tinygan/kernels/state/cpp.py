"""C++ copies, averages and checks of a training state (csrc/state): one pass, one region each."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from ..groups import cpp_refusal, groups, laid_out_as
from ..native import native
from ..registry import register

_native: Any = native


def _supports_pairs(*arrays: Array, **_: Any) -> str | None:
    return cpp_refusal(arrays, 2, in_place=(0,))


def _supports_readable(*arrays: Array) -> str | None:
    return cpp_refusal(arrays, 1, in_place=(0,))


def _pairs(op: str, arrays: tuple[Array, ...], roles: tuple[str, str]) -> list[Array]:
    return [a for to, x in groups(op, arrays, roles) for a in (to, laid_out_as(x, to))]


@register(
    "state_copy", "cpp", "streaming", supports=_supports_pairs, by_signature=False, exact=True
)
def state_copy(*arrays: Array) -> None:
    """Copy every second array into the one before it; see the reference."""
    _native.state_copy(*_pairs("state_copy", arrays, ("to", "from")))


@register("state_average", "cpp", "one_pass", supports=_supports_pairs, by_signature=False)
def state_average(*arrays: Array, beta: float) -> None:
    """Move every average towards the array that follows it; see the reference."""
    _native.state_average(beta, *_pairs("state_average", arrays, ("a", "x")))


@register("state_finite", "cpp", "one_pass", supports=_supports_readable, by_signature=False)
def state_finite(*arrays: Array) -> Array:
    """Tell whether every entry of every array is finite; see the reference."""
    return np.asarray(_native.state_finite(*arrays))
