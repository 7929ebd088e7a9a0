"""Softmax, logsumexp and attention, by running error analysis."""

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


# --- attention ---


def _turned(a: Running) -> Running:
    return Running(a.machine, a.value.swapaxes(-1, -2), a.error.swapaxes(-1, -2))


def _product(a: Running, b: Running) -> Running:
    """Return a b, every entry of it a sum of products."""
    left = Running(a.machine, a.value[..., None], a.error[..., None])
    right = Running(b.machine, b.value[..., None, :, :], b.error[..., None, :, :])
    return (left * right).sum(-2)


@bound("attention")
def _attention(m: Machine, q: Array, k: Array, v: Array, *, scale: float) -> Errors:
    p = weights(_product(m.given(q), _turned(m.given(k))) * scale, -1)
    return errors(_product(p, m.given(v)))


@bound("attention_vjp")
def _attention_vjp(m: Machine, q: Array, k: Array, v: Array, gy: Array, *, scale: float) -> Errors:
    q_, k_, v_, g = (m.given(a) for a in (q, k, v, gy))
    p = weights(_product(q_, _turned(k_)) * scale, -1)
    gp = _product(g, _turned(v_))
    gs = p * (gp - (gp * p).sum(-1, keepdims=True)) * scale
    return errors(_product(gs, k_), _product(_turned(gs), q_), _product(_turned(p), g))
