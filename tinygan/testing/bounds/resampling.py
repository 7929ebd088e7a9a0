"""Interpolation, and the copying of windows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...kernels.arrays import Array
from ...kernels.resize2d import ResizeSpec
from ...kernels.resize2d.weights import Taps
from .products import products
from .running import Machine
from .table import Errors, bound


@bound("unfold")
def _unfold(m: Machine, x: Array, **_: Any) -> Errors:
    return (None,)  # copies


@bound("fold")
def _fold(m: Machine, cols: Array, **params: Any) -> Errors:
    return products(m, "fold", math.prod(params["spec"].kernel), cols, **params)


def _dense(taps: Taps, size: int) -> Array:
    """Return the magnitudes of the weights as a matrix (out, size)."""
    matrix = np.zeros((len(taps.start) - 1, size))
    row = np.repeat(np.arange(len(matrix)), np.diff(taps.start))
    np.add.at(matrix, (row, taps.pixel), abs(taps.weight))
    return matrix


def _weighed(m: Machine, x: Array, rows: Taps, columns: Taps) -> Errors:
    """Bound two sums, one after the other, by |A| |x| |B|^T.

    A sum of n products is off by gamma_n; each of the two weights is rounded once.
    """
    terms = sum(int(np.diff(taps.start).max()) for taps in (rows, columns))
    height, width = _dense(rows, x.shape[2]), _dense(columns, x.shape[3])
    total = height @ abs(x) @ width.T
    return ((m.gamma(terms) * (1 + 4 * m.unit) + 4 * m.unit) * total + terms * m.tiny,)


@bound("resize2d")
def _resize2d(m: Machine, x: Array, *, spec: ResizeSpec) -> Errors:
    return _weighed(m, x, spec.taps(0), spec.taps(1))


@bound("resize2d_adjoint")
def _resize2d_adjoint(m: Machine, gy: Array, *, spec: ResizeSpec) -> Errors:
    return _weighed(m, gy, spec.adjoint_taps(0), spec.adjoint_taps(1))
