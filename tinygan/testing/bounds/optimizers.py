"""Optimizers, averages and copies. Their outputs are the operands that they change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...kernels.arrays import Array
from ...kernels.descent.spec import rmsprop_roles, sgd_roles
from .running import Machine, Running, errors
from .table import Errors, bound


@bound("adam")
def _adam(m: Machine, *arrays: Array, **params: Any) -> Errors:
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


@bound("sgd")
def _sgd(
    m: Machine,
    *arrays: Array,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> Errors:
    found: list[Running] = []
    for p, g, *kept in _groups(arrays, sgd_roles(momentum)):
        slope = m.given(g) + weight_decay * m.given(p) if weight_decay else m.given(g)
        buffers: list[Running] = []
        if momentum:
            b = momentum * m.given(kept[0]) + (slope if first else (1 - dampening) * slope)
            buffers = [b]
            slope = slope + momentum * b if nesterov else b
        found += [m.given(p) - lr * slope, *buffers]
    return errors(*found)


@bound("rmsprop")
def _rmsprop(
    m: Machine,
    *arrays: Array,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
) -> Errors:
    found: list[Running] = []
    for p, g, s, *kept in _groups(arrays, rmsprop_roles(momentum, centered)):
        slope = m.given(g) + weight_decay * m.given(p) if weight_decay else m.given(g)
        square = alpha * m.given(s) + (1 - alpha) * (slope * slope)
        spread, means, buffers = square, [], []
        if centered:
            mean = m.given(kept[-1])
            means = [mean + (1 - alpha) * (slope - mean)]
            spread = (square - means[0] * means[0]).at_least(0.0)
        move = slope / (spread.sqrt() + eps)
        if momentum:
            move = momentum * m.given(kept[0]) + move
            buffers = [move]
        found += [m.given(p) - lr * move, square, *buffers, *means]
    return errors(*found)


def _groups(arrays: Sequence[Array], roles: Sequence[str]) -> list[Sequence[Array]]:
    return [arrays[i : i + len(roles)] for i in range(0, len(arrays), len(roles))]


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
