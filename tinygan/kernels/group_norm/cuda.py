"""CUDA group normalisation: batch_norm's passes over segments, with a sample as a segment.

csrc/group_norm/group_norm.cu has what differs, the sums of the vjp.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent, xp_of
from ..cuda import launch, register_cuda
from ..cuda.segments import SegmentPlan, int_refusal, moments, segment_plan
from ..reduce.rows import as_rows, c_order, empty_rows
from .spec import check_groups


@register_cuda("group_norm", "two_pass", supports=int_refusal, accumulate="float64")
def group_norm(x: Array, weight: Array, bias: Array, *, num_groups: int, eps: float) -> Array:
    """Normalise, scale and shift; see the reference. The output is channels last."""
    check_groups("group_norm", x, weight, bias, num_groups)
    rows, y = empty_rows(x.shape, np.dtype(x.dtype), xp=xp_of(x))
    launch("batch_norm", y=rows, **_operands(x, weight, bias, num_groups, eps))
    return y


@register_cuda("group_norm_vjp", "two_pass", supports=int_refusal, accumulate="float64")
def group_norm_vjp(
    x: Array, weight: Array, bias: Array, gy: Array, *, num_groups: int, eps: float
) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, weight and bias; see the reference. gx is channels last."""
    check_groups("group_norm_vjp", x, weight, bias, num_groups)
    check_cotangent("group_norm_vjp", gy, x.shape, x.dtype)
    xp, plan = xp_of(x), _plan(x)
    rows, gx = empty_rows(x.shape, np.dtype(x.dtype), xp=xp)
    shared = {**_operands(x, weight, bias, num_groups, eps), "gy": as_rows(gy)}
    partial = plan.partial(xp, 2)
    launch("batch_norm_vjp_sums", partial=partial, **shared)
    means, gweight, gbias = _totals(plan, partial, shared["weight"], num_groups)
    launch("batch_norm_vjp", means=means, gx=rows, **shared)
    return gx, gweight, gbias


def _plan(x: Array) -> SegmentPlan:
    return segment_plan(x.size, len(x), x.shape[1])


def _operands(x: Array, weight: Array, bias: Array, groups: int, eps: float) -> dict[str, Any]:
    """Return what batch_norm's passes over x take."""
    rows, plan = as_rows(x), _plan(x)
    mean, var = moments(rows, plan, groups)
    return {
        "x": rows,
        "weight": c_order(weight),
        "bias": c_order(bias),
        "mean": mean,
        "var": var,
        **plan.sizes,
        "channels": plan.channels,
        "groups": groups,
        "eps": eps,
        "negative_slope": 1.0,
    }


def _totals(
    plan: SegmentPlan, partial: Array, weight: Array, groups: int
) -> tuple[Array, Array, Array]:
    """Return the means (N, 2, G) that gx needs, gweight and gbias."""
    xp, sizes = xp_of(partial), {"segments": plan.segments, "channels": plan.channels}
    sums = xp.empty((plan.segments, 2, plan.channels), "f8")
    means = xp.empty((plan.segments, 2, groups), "f4")
    gweight, gbias = (xp.empty(plan.channels, "f4") for _ in range(2))
    within = {"width": plan.width, "blocks": plan.blocks}
    launch("group_norm_vjp_sums", partial=partial, sums=sums, **sizes, **within)
    grouped = {"n": plan.n, "groups": groups}
    launch("group_norm_vjp_means", sums=sums, weight=weight, means=means, **sizes, **grouped)
    launch("group_norm_vjp_weights", sums=sums, gweight=gweight, gbias=gbias, **sizes)
    return means, gweight, gbias
