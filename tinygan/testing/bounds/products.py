"""Selections, which are exact, and sums of products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...kernels.arrays import Array, Shape
from ...kernels.resize2d.spec import ResizeSpec
from ...kernels.resize2d.weights import Taps
from ..running import Machine, errors
from .table import Errors, bound, reference


@bound("max", "min", "gather2d", "max_pool2d_index", "unfold")
def _selects(m: Machine, /, *arrays: Array, **_: Any) -> Errors:
    return (None,)


# --- sums of products ---


def products(m: Machine, op: str, terms: int, /, *arrays: Any, **params: Any) -> Errors:
    """Bound a sum of so many products: (gamma_{n + 1} + u) sum |x| |w|, by the op on |x| and |w|.

    The one more is the rounding of each product. The last rounding, to the operands' dtype, is of
    the result, which is no larger than the sum of absolute products. A zero that is added, as
    padding or as the start of a sum, adds no error.
    """
    magnitudes = [abs(a) if np.asarray(a).dtype.kind == "f" else a for a in arrays]
    total = reference(op).fn(*magnitudes, **params)
    return ((m.gamma(terms + 1) + m.unit) * total + terms * m.tiny,)


@bound("sum")
def _sum(m: Machine, x: Array, **params: Any) -> Errors:
    return errors(m.given(x).sum(params["axis"] or (), params["keepdims"]))


@bound("scatter2d")
def _scatter2d(m: Machine, gy: Array, index: Array, *, x_shape: Shape) -> Errors:
    return products(m, "scatter2d", math.prod(gy.shape[2:]), gy, index, x_shape=x_shape)


@bound("conv2d")
def _conv2d(m: Machine, x: Array, w: Array, **params: Any) -> Errors:
    return products(m, "conv2d", math.prod(w.shape[1:]), x, w, **params)


@bound("conv2d_dgrad")
def _conv2d_dgrad(m: Machine, gy: Array, w: Array, **params: Any) -> Errors:
    terms = w.shape[0] // params["spec"].groups * math.prod(w.shape[2:])
    return products(m, "conv2d_dgrad", terms, gy, w, **params)


@bound("conv2d_wgrad")
def _conv2d_wgrad(m: Machine, x: Array, gy: Array, **params: Any) -> Errors:
    terms = gy.shape[0] * math.prod(gy.shape[2:])
    return products(m, "conv2d_wgrad", terms, x, gy, **params)


@bound("avg_pool2d")
def _avg_pool2d(m: Machine, x: Array, **params: Any) -> Errors:
    return products(m, "avg_pool2d", math.prod(params["kernel"]) + 1, x, **params)


@bound("avg_pool2d_adjoint")
def _avg_pool2d_adjoint(m: Machine, gy: Array, **params: Any) -> Errors:
    return products(m, "avg_pool2d_adjoint", math.prod(params["kernel"]) + 1, gy, **params)


@bound("upfirdn2d")
def _upfirdn2d(m: Machine, x: Array, f: Array, **params: Any) -> Errors:
    return products(m, "upfirdn2d", f.size, x, f, **params)


@bound("upfirdn2d_fgrad")
def _upfirdn2d_fgrad(m: Machine, x: Array, gy: Array, **params: Any) -> Errors:
    return products(m, "upfirdn2d_fgrad", gy.size, x, gy, **params)


@bound("fold")
def _fold(m: Machine, cols: Array, **params: Any) -> Errors:
    return _products(m, "fold", math.prod(params["spec"].kernel), cols, **params)


# --- interpolation: two sparse matrices, one after the other ---


@bound("resize2d")
def _resize2d(m: Machine, x: Array, *, spec: ResizeSpec) -> Errors:
    return _interpolates(m, x, spec.taps(0), spec.taps(1))


@bound("resize2d_adjoint")
def _resize2d_adjoint(m: Machine, gy: Array, *, spec: ResizeSpec) -> Errors:
    return _interpolates(m, gy, spec.adjoint_taps(0), spec.adjoint_taps(1))


def _interpolates(m: Machine, x: Array, rows: Taps, columns: Taps) -> Errors:
    """Bound A x B^T: (gamma_{a + 1} + gamma_{b + 1} + 4 u) |A| |x| |B|^T, a and b taps an output.

    The 4 u are the roundings of both weights, of the pass between and of the result. They compound:
    the relative terms are multiplied, not added.
    """
    sizes, grown = abs(x), 1.0
    for axis, taps in ((2, rows), (3, columns)):
        counts = np.diff(taps.start)
        matrix = np.zeros((len(counts), x.shape[axis]))
        np.add.at(matrix, (np.repeat(np.arange(len(counts)), counts), taps.pixel), abs(taps.weight))
        sizes = np.moveaxis(np.tensordot(sizes, matrix, axes=([axis], [1])), -1, axis)
        terms = int(np.max(counts, initial=0))
        grown *= (1 + m.gamma(terms + 1)) * (1 + m.unit) ** 2
    return ((grown - 1) * sizes + 4 * x.shape[2] * x.shape[3] * m.tiny,)
