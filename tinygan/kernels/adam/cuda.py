"""CUDA Adam (csrc/adam/adam.cu): all parameters in one launch, in place."""

from __future__ import annotations

from typing import Any

from ..arrays import Array, xp_of
from ..cuda import register_cuda
from ..cuda.graph import changing
from ..cuda.tensors import over_tensors, tensors_refusal
from ..groups import laid_out_as
from .spec import checked_groups


def _supports(*arrays: Array, **_: Any) -> str | None:
    return tensors_refusal(arrays, 4, in_place=(0, 2, 3))


@register_cuda("adam", "one_launch", supports=_supports, by_signature=False)
def adam(
    *arrays: Array,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
) -> None:
    """Move p, m and v of every group in place; see the reference."""
    groups = [(p, laid_out_as(g, p), m, v) for p, g, m, v in checked_groups(arrays, step)]
    if not groups:
        return
    step_size, root_scale = lr / (1 - beta1**step), (1 - beta2**step) ** -0.5
    shrink = 1 - lr * weight_decay if decoupled else 1.0
    over_tensors(
        "adam",
        groups,
        changing=changing(xp_of(arrays[0]), (step_size, root_scale, shrink)),
        fresh1=1 - beta1,
        beta2=beta2,
        fresh2=1 - beta2,
        eps=eps,
        l2=0.0 if decoupled else weight_decay,
    )
