"""Batch, layer, group and spectral normalisation, by running error analysis."""

from __future__ import annotations

from ...kernels.arrays import Array
from ...kernels.batch_norm.spec import channel_shape, other_axes
from ..running import Machine, Running, errors
from .table import Errors, bound


def _moments(x: Running, axes: tuple[int, ...]) -> tuple[Running, Running, Running]:
    mean = x.mean(axes, keepdims=True)
    centred = x - mean
    return mean, centred, (centred * centred).mean(axes, keepdims=True)


@bound("batch_norm_stats")
def _batch_norm_stats(m: Machine, x: Array) -> Errors:
    mean, _, var = _moments(m.given(x), other_axes(x))
    return errors(mean.reshape(-1), var.reshape(-1))


@bound("batch_norm")
def _batch_norm(m: Machine, x: Array, weight: Array, bias: Array, *, eps: float) -> Errors:
    _, centred, var = _moments(m.given(x), other_axes(x))
    w, b = (m.given(a.reshape(channel_shape(x))) for a in (weight, bias))
    return errors(centred / (var + eps).sqrt() * w + b)


@bound("batch_norm_vjp")
def _batch_norm_vjp(
    m: Machine, x: Array, weight: Array, bias: Array, gy: Array, *, eps: float
) -> Errors:
    axes, shape = other_axes(x), channel_shape(x)
    count = float(max(x.size // max(x.shape[1], 1), 1))
    _, centred, var = _moments(m.given(x), axes)
    inv_std, g = 1.0 / (var + eps).sqrt(), m.given(gy)
    x_hat = centred * inv_std
    gbias, gweight = g.sum(axes, True), (g * x_hat).sum(axes, True)
    w = m.given(weight.reshape(shape))
    gx = w * inv_std * (g - gbias / count - x_hat * (gweight / count))
    return errors(gx, gweight.reshape(-1), gbias.reshape(-1))


@bound("spectral_norm")
def _spectral_norm(m: Machine, w: Array, u: Array, v: Array) -> Errors:
    matrix, wv = _matrix_times(m, w, v)
    sigma = (m.given(u) * wv).sum()
    return errors((matrix / sigma).reshape(*w.shape))


@bound("spectral_norm_vjp")
def _spectral_norm_vjp(m: Machine, w: Array, u: Array, v: Array, gy: Array) -> Errors:
    matrix, wv = _matrix_times(m, w, v)
    g, column, row = m.given(gy.reshape(len(w), -1)), m.given(u[:, None]), m.given(v)
    sigma = (m.given(u) * wv).sum()
    g_sigma = -(g * matrix).sum() / (sigma * sigma)
    gw = g / sigma + g_sigma * (column * row)
    return errors(gw.reshape(*w.shape), g_sigma * wv, g_sigma * (column * matrix).sum(0))


@bound("power_iteration")
def _power_iteration(m: Machine, w: Array, u: Array, *, steps: int, eps: float) -> Errors:
    matrix, unit = m.given(w.reshape(len(w), -1)), m.given(u)
    for _ in range(steps):
        v = _normalize((unit.reshape(-1, 1) * matrix).sum(0), eps)
        unit = _normalize((matrix * v).sum(1), eps)
    return errors(unit, v)


def _matrix_times(m: Machine, w: Array, v: Array) -> tuple[Running, Running]:
    matrix = m.given(w.reshape(len(w), -1))
    return matrix, (matrix * m.given(v)).sum(1)


def _normalize(a: Running, eps: float) -> Running:
    return a / (a * a).sum().sqrt().at_least(eps)
