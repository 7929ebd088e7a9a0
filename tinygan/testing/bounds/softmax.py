"""Softmax and logsumexp, by running error analysis."""

from __future__ import annotations

import numpy as np

from ...kernels.arrays import Array
from .running import Machine, Running, errors
from .table import Errors, bound


def exponentials(x: Running, axis: int) -> tuple[Running, Running, Running]:
    """Return exp(x - max), its sum along the axis, and the maximum, which is exact of a given x."""
    largest = x.value.max(axis=axis, keepdims=True)
    top = x.machine.given(np.where(np.isfinite(largest), largest, 0.0))
    e = (x - top).apply(np.exp)
    return e, e.sum(axis, keepdims=True), top


def weights(x: Running, axis: int) -> Running:
    """Return softmax(x); a kernel divides by the sum or multiplies by its reciprocal."""
    e, total, _ = exponentials(x, axis)
    return e * (1.0 / total)


@bound("softmax")
def _softmax(m: Machine, x: Array, *, axis: int) -> Errors:
    return errors(weights(m.given(x), axis))


@bound("softmax_vjp")
def _softmax_vjp(m: Machine, y: Array, gy: Array, *, axis: int) -> Errors:
    p, g = m.given(y), m.given(gy)
    return errors(p * (g - (g * p).sum(axis, keepdims=True)))


@bound("logsumexp")
def _logsumexp(m: Machine, x: Array, *, axis: int) -> Errors:
    _, total, top = exponentials(m.given(x), axis)
    return errors(total.apply(np.log) + top)
