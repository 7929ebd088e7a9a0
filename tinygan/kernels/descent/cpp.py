"""C++ SGD and RMSprop (csrc/descent): one pass over all that belongs to the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..arrays import Array
from ..groups import cpp_refusal, groups, laid_out_as
from ..native import native
from ..registry import register
from .spec import rmsprop_roles, sgd_roles

_native: Any = native


def _refusal(arrays: Sequence[Array], width: int) -> str | None:
    return cpp_refusal(arrays, width, in_place=(0, *range(2, width)))


def _supports_sgd(*arrays: Array, momentum: float, **_: Any) -> str | None:
    return _refusal(arrays, len(sgd_roles(momentum)))


def _supports_rmsprop(*arrays: Array, momentum: float, centered: bool, **_: Any) -> str | None:
    return _refusal(arrays, len(rmsprop_roles(momentum, centered)))


def _flat(op: str, arrays: Sequence[Array], roles: Sequence[str]) -> list[Array]:
    """Check the operands, and lay every gradient out as its parameter."""
    found = groups(op, arrays, roles)
    return [a for p, g, *kept in found for a in (p, laid_out_as(g, p), *kept)]


@register("sgd", "cpp", "one_pass", supports=_supports_sgd, by_signature=False)
def sgd(
    *arrays: Array,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None:
    """Move p and b of every group in place; see the reference."""
    flat = _flat("sgd", arrays, sgd_roles(momentum))
    _native.sgd(lr, momentum, dampening, weight_decay, nesterov, first, *flat)


@register("rmsprop", "cpp", "one_pass", supports=_supports_rmsprop, by_signature=False)
def rmsprop(
    *arrays: Array,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
) -> None:
    """Move p, s, b and m of every group in place; see the reference."""
    flat = _flat("rmsprop", arrays, rmsprop_roles(momentum, centered))
    _native.rmsprop(lr, alpha, eps, weight_decay, momentum, centered, *flat)
