"""Batch, layer, group and spectral normalisation, by running error analysis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...kernels.arrays import Array
from ...kernels.batch_norm.spec import segment
from .running import Machine, Running, errors
from .table import Errors, bound

Axes = tuple[int, ...]


def _moments(x: Running, axes: Axes) -> tuple[Running, Running, Running]:
    mean = x.mean(axes, keepdims=True)
    centred = x - mean
    return mean, centred, (centred * centred).mean(axes, keepdims=True)


def _normalise(x: Running, axes: Axes, eps: float) -> tuple[Running, Running]:
    """Return x_hat and 1 / std."""
    _, centred, var = _moments(x, axes)
    inv_std = 1.0 / (var + eps).sqrt()
    return centred * inv_std, inv_std


def _vjp(
    m: Machine, x: Array, w: Array, gy: Array, over: Axes, others: Axes, eps: float
) -> tuple[Running, Running, Running]:
    """Return the cotangents: of x by way of its statistics ``over`` axes, summed over ``others``.

    Kernels multiply by the weight first or last; either way it is one rounding of each product.
    """
    normalised = _normalise(m.given(x), over, eps)
    return _pulled(*normalised, m.given(gy), m.given(w), over, others)


def _pulled(
    x_hat: Running, inv_std: Running, given: Running, w: Running, over: Axes, others: Axes
) -> tuple[Running, Running, Running]:
    """Return what ``_vjp`` does, of normalised x and the cotangent ``given``."""
    g = given * w
    gx = (g - g.mean(over, True) - x_hat * (g * x_hat).mean(over, True)) * inv_std
    return gx, (given * x_hat).sum(others), given.sum(others)


@bound("batch_norm_stats")
def _batch_norm_stats(m: Machine, x: Array, *, segments: int = 1) -> Errors:
    wide = replace(m, unit=m.sums)  # the statistics are of the accumulator's dtype
    mean, _, var = _moments(wide.given(segment(x, segments)), (1, *range(3, x.ndim + 1)))
    return errors(mean.reshape(segments, -1), var.reshape(segments, -1))


def _segments(
    m: Machine, x: Array, weight: Array, bias: Array, mean: Array, var: Array, eps: float
) -> tuple[Running, Running, Running, Running]:
    """Return t, x_hat, weight and 1 / std of x as (segments, N, C, ...)."""
    parts, last = segment(x, len(mean)), (1,) * (x.ndim - 2)
    mu, v = (m.given(a.reshape(len(mean), 1, -1, *last)) for a in (mean, var))
    w, b = (m.given(a.reshape(1, 1, -1, *last)) for a in (weight, bias))
    inv_std = 1.0 / (v + eps).sqrt()
    x_hat = (m.given(parts) - mu) * inv_std
    return x_hat * w + b, x_hat, w, inv_std


@bound("batch_norm")
def _batch_norm(
    m: Machine,
    x: Array,
    weight: Array,
    bias: Array,
    mean: Array,
    var: Array,
    *,
    eps: float,
    negative_slope: float = 1.0,
) -> Errors:
    t, _, _, _ = _segments(m, x, weight, bias, mean, var, eps)
    return errors((t * _slope(m, t, negative_slope)).reshape(*x.shape))


@bound("batch_norm_vjp")
def _batch_norm_vjp(
    m: Machine,
    x: Array,
    weight: Array,
    bias: Array,
    gy: Array,
    mean: Array,
    var: Array,
    *,
    eps: float,
    negative_slope: float = 1.0,
) -> Errors:
    t, x_hat, w, inv_std = _segments(m, x, weight, bias, mean, var, eps)
    given, over = m.given(segment(gy, len(mean))), (1, *range(3, x.ndim + 1))
    given = given * _slope(m, t, negative_slope)
    gx, gweight, gbias = _pulled(x_hat, inv_std, given, w, over, (0, *over))
    return errors(gx.reshape(*x.shape), gweight, gbias)


def _slope(m: Machine, t: Running, negative_slope: float) -> Running:
    """Return the derivative of the activation, an exact factor; its kink is met by no draw."""
    return m.given(np.where(t.value > 0, 1.0, negative_slope))


@bound("layer_norm")
def _layer_norm(m: Machine, x: Array, weight: Array, bias: Array, *, eps: float) -> Errors:
    over = tuple(range(x.ndim - weight.ndim, x.ndim))
    return errors(_normalise(m.given(x), over, eps)[0] * m.given(weight) + m.given(bias))


@bound("layer_norm_vjp")
def _layer_norm_vjp(
    m: Machine, x: Array, weight: Array, bias: Array, gy: Array, *, eps: float
) -> Errors:
    axes, first = tuple(range(x.ndim)), x.ndim - weight.ndim
    return errors(*_vjp(m, x, weight, gy, axes[first:], axes[:first], eps))


@bound("group_norm")
def _group_norm(
    m: Machine, x: Array, weight: Array, bias: Array, *, num_groups: int, eps: float
) -> Errors:
    grouped, (w, b) = _grouped(x, num_groups), (_channels(a, x, num_groups) for a in (weight, bias))
    over = tuple(range(2, grouped.ndim))
    y = _normalise(m.given(grouped), over, eps)[0] * m.given(w) + m.given(b)
    return errors(y.reshape(*x.shape))


@bound("group_norm_vjp")
def _group_norm_vjp(
    m: Machine, x: Array, weight: Array, bias: Array, gy: Array, *, num_groups: int, eps: float
) -> Errors:
    grouped, g = _grouped(x, num_groups), _grouped(gy, num_groups)
    over, others = tuple(range(2, grouped.ndim)), (0, *range(3, grouped.ndim))
    gx, gw, gb = _vjp(m, grouped, _channels(weight, x, num_groups), g, over, others, eps)
    return errors(gx.reshape(*x.shape), gw.reshape(-1), gb.reshape(-1))


def _grouped(x: Array, groups: int) -> Array:
    """Return x (N, C, ...) as (N, G, C/G, ...)."""
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])


def _channels(a: Array, x: Array, groups: int) -> Array:
    """Return a vector of channels in the shape that broadcasts against ``_grouped``."""
    return a.reshape(1, groups, -1, *[1] * (x.ndim - 2))


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
