"""CUDA copies, averages and checks of a training state (csrc/state/state.cu): one launch each."""

from __future__ import annotations

from typing import Any

from ..arrays import Array, xp_of
from ..cuda import register_cuda
from ..cuda.tensors import over_tensors, tensors_refusal
from ..groups import groups, laid_out_as


def _supports_pairs(*arrays: Array, **_: Any) -> str | None:
    return tensors_refusal(arrays, 2, in_place=(0,))


def _supports_readable(*arrays: Array) -> str | None:
    return tensors_refusal(arrays, 1, in_place=(0,))


def _pairs(op: str, arrays: tuple[Array, ...], roles: tuple[str, str]) -> list[tuple[Array, ...]]:
    return [(to, laid_out_as(x, to)) for to, x in groups(op, arrays, roles)]


@register_cuda("state_copy", "one_launch", supports=_supports_pairs, by_signature=False, exact=True)
def state_copy(*arrays: Array) -> None:
    """Copy every second array into the one before it; see the reference."""
    over_tensors("state_copy", _pairs("state_copy", arrays, ("to", "from")))


@register_cuda("state_average", "one_launch", supports=_supports_pairs, by_signature=False)
def state_average(*arrays: Array, beta: float) -> None:
    """Move every average towards the array that follows it; see the reference."""
    over_tensors("state_average", _pairs("state_average", arrays, ("a", "x")), beta=beta)


@register_cuda("state_finite", "one_launch", supports=_supports_readable, by_signature=False)
def state_finite(*arrays: Array) -> Array:
    """Tell whether every entry of every array is finite; see the reference."""
    found: Array = xp_of(arrays[0]).ones((), bool)
    over_tensors("state_finite", [(x,) for x in arrays], found=found)
    return found
