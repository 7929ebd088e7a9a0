"""C++ group normalisation (csrc/group_norm): two passes over memory, all sums in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent
from ..native import native
from ..reduce.rows import as_rows, c_order, cpp_refusal, empty_rows
from ..registry import register
from .spec import check_groups

_native: Any = native


def _supports(*arrays: Array, num_groups: int, eps: float) -> str | None:
    return cpp_refusal(*arrays)


@register("group_norm", "cpp", "two_pass", supports=_supports, accumulate="float64")
def group_norm(x: Array, weight: Array, bias: Array, *, num_groups: int, eps: float) -> Array:
    """Normalise, scale and shift; see the reference. The output is channels last."""
    check_groups("group_norm", x, weight, bias, num_groups)
    samples = (len(x), -1, x.shape[1])
    rows, y = empty_rows(x.shape, x.dtype)
    _native.group_norm(
        as_rows(x).reshape(samples),
        c_order(weight),
        c_order(bias),
        num_groups,
        eps,
        rows.reshape(samples),
    )
    return y


@register("group_norm_vjp", "cpp", "two_pass", supports=_supports, accumulate="float64")
def group_norm_vjp(
    x: Array, weight: Array, bias: Array, gy: Array, *, num_groups: int, eps: float
) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, weight and bias; see the reference. gx is channels last."""
    check_groups("group_norm_vjp", x, weight, bias, num_groups)
    check_cotangent("group_norm_vjp", gy, x.shape, x.dtype)
    samples = (len(x), -1, x.shape[1])
    rows, gx = empty_rows(x.shape, x.dtype)
    gweight, gbias = np.empty((2, x.shape[1]), x.dtype)
    _native.group_norm_vjp(
        as_rows(x).reshape(samples),
        c_order(weight),
        as_rows(gy).reshape(samples),
        num_groups,
        eps,
        rows.reshape(samples),
        gweight,
        gbias,
    )
    return gx, gweight, gbias
