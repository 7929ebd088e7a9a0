"""CUDA SGD and RMSprop (csrc/descent/descent.cu): all parameters in one launch, in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..arrays import Array, xp_of
from ..cuda import register_cuda
from ..cuda.graph import changing
from ..cuda.tensors import over_tensors, tensors_refusal
from ..groups import groups, laid_out_as
from .spec import rmsprop_roles, sgd_roles

_Groups = list[tuple[Array, ...]]


def _refusal(arrays: Sequence[Array], width: int) -> str | None:
    return tensors_refusal(arrays, width, in_place=(0, *range(2, width)))


def _supports_sgd(*arrays: Array, momentum: float, **_: Any) -> str | None:
    return _refusal(arrays, len(sgd_roles(momentum)))


def _supports_rmsprop(*arrays: Array, momentum: float, centered: bool, **_: Any) -> str | None:
    return _refusal(arrays, len(rmsprop_roles(momentum, centered)))


def _checked(op: str, arrays: Sequence[Array], roles: Sequence[str]) -> _Groups:
    """Check the operands, and lay every gradient out as its parameter."""
    return [(p, laid_out_as(g, p), *kept) for p, g, *kept in groups(op, arrays, roles)]


@register_cuda("sgd", "one_launch", supports=_supports_sgd, by_signature=False)
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
    found = _checked("sgd", arrays, sgd_roles(momentum))
    if found:
        over_tensors(
            "sgd",
            found,
            changing=changing(xp_of(arrays[0]), (lr,)),
            momentum=momentum,
            keep=1.0 if first else 1 - dampening,
            l2=weight_decay,
            nesterov=int(nesterov),
        )


@register_cuda("rmsprop", "one_launch", supports=_supports_rmsprop, by_signature=False)
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
    found = _checked("rmsprop", arrays, rmsprop_roles(momentum, centered))
    if found:
        over_tensors(
            "rmsprop",
            found,
            changing=changing(xp_of(arrays[0]), (lr,)),
            alpha=alpha,
            fresh=1 - alpha,
            eps=eps,
            l2=weight_decay,
            momentum=momentum,
            centered=int(centered),
        )
