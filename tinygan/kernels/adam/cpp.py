"""C++ Adam (csrc/adam): one pass over parameter, gradient and moments, in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from ..native import native
from ..reduce.rows import c_order, cpp_refusal
from ..registry import register
from .spec import check_operands

_native: Any = native


def _supports(p: Array, g: Array, m: Array, v: Array, **_: Any) -> str | None:
    return cpp_refusal(p, g, m, v) or _layout_refusal(p, m, v)


def _layout_refusal(p: Array, m: Array, v: Array) -> str | None:
    """Say why p, m and v can't be seen as flat arrays in one order, or return None."""
    order = _memory_order(p)
    if not all(a.transpose(order).flags.c_contiguous for a in (p, m, v)):
        return "takes p, m and v without gaps, in one memory order"
    if not all(a.flags.writeable and a.flags.aligned for a in (p, m, v)):
        return "takes p, m and v that can be written to"
    return None


def _memory_order(p: Array) -> list[int]:
    """Return the axes from the widest stride to the narrowest."""
    return sorted(range(p.ndim), key=lambda axis: -p.strides[axis])


@register("adam", "cpp", "one_pass", supports=_supports)
def adam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
) -> None:
    """Move p, m and v in place; see the reference."""
    check_operands(p, g, m, v, step)
    order = _memory_order(p)
    flat_p, flat_m, flat_v = (a.transpose(order).reshape(-1) for a in (p, m, v))
    flat_g = c_order(g.transpose(order)).reshape(-1)
    if np.may_share_memory(flat_g, flat_p):
        flat_g = flat_g.copy()
    options = (lr, beta1, beta2, eps, weight_decay, decoupled, step)
    _native.adam(flat_p, flat_g, flat_m, flat_v, *options)
