"""Selections, which are exact, and sums of products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...kernels.arrays import Array, Shape
from .running import Machine, errors
from .table import Errors, bound, reference


@bound("max", "min", "gather2d", "max_pool2d_index")
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
