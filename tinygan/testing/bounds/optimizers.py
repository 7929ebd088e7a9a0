"""Optimizers. Their outputs are the operands that they change: p, m and v of Adam."""

from __future__ import annotations

from ...kernels.arrays import Array
from .running import Machine, errors
from .table import Errors, bound


@bound("adam")
def _adam(
    m: Machine,
    p: Array,
    g: Array,
    first: Array,
    second: Array,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
) -> Errors:
    moved, slope = m.given(p), m.given(g)
    if decoupled:
        moved = moved * (1 - lr * weight_decay)
    elif weight_decay:
        slope = slope + weight_decay * moved
    mean = m.given(first)
    mean = mean + (1 - beta1) * (slope - mean)
    square = m.given(second) * beta2 + (1 - beta2) * (slope * slope)
    denominator = square.sqrt() / (1 - beta2**step) ** 0.5 + eps
    moved = moved - (lr / (1 - beta1**step)) * (mean / denominator)
    return errors(moved, mean, square)
