"""C++ Adam (csrc/adam): one pass over parameters, gradients and moments, in place."""

from __future__ import annotations

from typing import Any

from ..arrays import Array
from ..groups import cpp_refusal, laid_out_as
from ..native import native
from ..registry import register
from .spec import checked_groups

_native: Any = native


def _supports(*arrays: Array, **_: Any) -> str | None:
    return cpp_refusal(arrays, 4, in_place=(0, 2, 3))


@register("adam", "cpp", "one_pass", supports=_supports, by_signature=False)
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
    options = (lr, beta1, beta2, eps, weight_decay, decoupled, step)
    flat = [a for p, g, m, v in checked_groups(arrays, step) for a in (p, laid_out_as(g, p), m, v)]
    _native.adam(*options, *flat)
