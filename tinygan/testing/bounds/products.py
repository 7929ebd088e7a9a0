"""Selections, which are exact, and sums of products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...kernels.arrays import Array, Shape
from ...kernels.conv2d.spec import ConvSpec
from ...kernels.conv2d.winograd import Tiling, matrices, taps
from .running import Machine, errors
from .table import Errors, bound, reference


@bound("max", "min", "gather2d", "pixel_shuffle", "pixel_unshuffle")
def _selects(m: Machine, /, *arrays: Array, **_: Any) -> Errors:
    return (None,)


@bound("max_pool2d")
def _max_pool2d(m: Machine, x: Array, **_: Any) -> Errors:
    return None, None  # the value is selected, its position an integer


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


@bound("matmul")
def _matmul(m: Machine, a: Array, b: Array) -> Errors:
    return products(m, "matmul", a.shape[-1], a, b)


@bound("linear")
def _linear(m: Machine, x: Array, w: Array, b: Array) -> Errors:
    return products(m, "linear", x.shape[1] + 1, x, w, b)  # the bias is one term more


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


# --- Winograd's convolutions ---
#
# Each entry of a result passes through three pairs of matrices and one sum of n products:
#
#     y = A^T [sum_n (G w G^T) * (B^T x B)] A .
#
# A product of a vector by one of the matrices costs a relative gamma_k of the sum of the absolute
# products, with k terms and one more for the rounding of the matrix itself; so by the product rule
# (Higham, *Accuracy and Stability*, section 3.1) the whole is off by at most gamma_N of the same
# expression in absolute values, with N = n + 1 and 2 (t + 1) for each of the three, where t is the
# largest number of terms, and 4 for tiles that overlap. The algorithm itself evaluates it, on |x|
# and |w|, with |A|, |B| and |G|: a tile's largest entries bound the errors of all its outputs.


def _winograd(
    m: Machine, op: str, outputs: int, terms: int, /, tiling: Tiling, *ab: Array
) -> Errors:
    t = outputs + tiling.r - 1
    count = terms + 6 * t + 11
    total = getattr(tiling, op)(*map(abs, ab))
    return ((m.gamma(count) + m.unit) * total + count * _LARGEST**6 * m.tiny,)


_LARGEST = 8  # entry of a matrix: what underflows before a transform grows by so much


def _absolute(spec: ConvSpec, x: Shape, w: Shape, outputs: int) -> Tiling:
    of = matrices(outputs, taps(spec, w)).mapped(abs)
    return Tiling(spec, x, w, m=outputs, of=of)


def _bounds_of_winograd(variant: str, outputs: int) -> None:
    """Enter the bounds of one of the algorithms for the three convolutions."""

    @bound(f"conv2d/{variant}")
    def _conv2d(m: Machine, x: Array, w: Array, *, spec: ConvSpec) -> Errors:
        tiling = _absolute(spec, x.shape, w.shape, outputs)
        terms = w.shape[1] * spec.stride[0] ** 2
        return _winograd(m, "conv2d", outputs, terms, tiling, x, w)

    @bound(f"conv2d_dgrad/{variant}")
    def _dgrad(m: Machine, gy: Array, w: Array, *, spec: ConvSpec, x_shape: Shape) -> Errors:
        tiling = _absolute(spec, x_shape, w.shape, outputs)
        return _winograd(m, "conv2d_dgrad", outputs, w.shape[0], tiling, gy, w)

    @bound(f"conv2d_wgrad/{variant}")
    def _wgrad(m: Machine, x: Array, gy: Array, *, spec: ConvSpec, w_shape: Shape) -> Errors:
        tiling = _absolute(spec, x.shape, w_shape, outputs)
        terms = x.shape[0] * tiling.rows * tiling.columns
        return _winograd(m, "conv2d_wgrad", outputs, terms, tiling, x, gy)


_bounds_of_winograd("winograd_f4", 4)
_bounds_of_winograd("winograd_f2", 2)
