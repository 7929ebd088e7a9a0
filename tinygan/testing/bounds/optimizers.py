"""Optimizers, averages and copies. Their outputs are the operands that they change."""

from __future__ import annotations

from ...kernels.arrays import Array
from .running import Machine, errors
from .table import Errors, bound


@bound("adam")
def _adam(m: Machine, *arrays: Array, **params: float) -> Errors:
    return tuple(
        e for i in range(0, len(arrays), 4) for e in _moved(m, *arrays[i : i + 4], **params)
    )


def _moved(
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


@bound("state_copy")
def _state_copy(m: Machine, *arrays: Array) -> Errors:
    return errors(*(m.given(x) for x in arrays[1::2]))


@bound("state_average")
def _state_average(m: Machine, *arrays: Array, beta: float) -> Errors:
    pairs = zip(arrays[::2], arrays[1::2], strict=True)
    return errors(*(m.given(x) + (m.given(a) - m.given(x)) * beta for a, x in pairs))


@bound("state_finite")
def _state_finite(_m: Machine, *_arrays: Array) -> Errors:
    return (None,)  # a truth value
