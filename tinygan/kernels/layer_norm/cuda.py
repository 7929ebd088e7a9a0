"""CUDA layer normalisation (csrc/layer_norm/layer_norm.cu): rows, then columns, float64 sums."""

from __future__ import annotations

from ..arrays import Array, check_cotangent, xp_of
from ..cuda import launch, register_cuda
from ..cuda.rows import row_sizes
from ..cuda.segments import int_refusal, segment_plan
from .matrix import Rows
from .spec import check_operands


@register_cuda("layer_norm", "rows", supports=int_refusal, accumulate="float64")
def layer_norm(x: Array, weight: Array, bias: Array, *, eps: float) -> Array:
    """Normalise, scale and shift; see the reference."""
    check_operands("layer_norm", x, weight, bias)
    rows = Rows.of(x, weight)
    y, out = rows.empty(x.dtype, xp_of(x))
    launch(
        "layer_norm",
        x=rows.matrix(x),
        weight=rows.vector(weight),
        bias=rows.vector(bias),
        y=out,
        **row_sizes(*out.shape),
        eps=eps,
    )
    return y


@register_cuda("layer_norm_vjp", "rows", supports=int_refusal, accumulate="float64")
def layer_norm_vjp(
    x: Array, weight: Array, bias: Array, gy: Array, *, eps: float
) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, weight and bias; see the reference."""
    check_operands("layer_norm_vjp", x, weight, bias)
    check_cotangent("layer_norm_vjp", gy, x.shape, x.dtype)
    xp, rows = xp_of(x), Rows.of(x, weight)
    gx, out = rows.empty(x.dtype, xp)
    shared = {"x": rows.matrix(x), "gy": rows.matrix(gy), "normals": xp.empty((len(out), 3), "f4")}
    sizes = {**row_sizes(*out.shape), "eps": eps}
    launch("layer_norm_vjp", weight=rows.vector(weight), gx=out, **shared, **sizes)
    plan = segment_plan(x.size, 1, out.shape[1])
    partial = plan.partial(xp, 2)
    columns = plan.channels
    launch("layer_norm_vjp_columns", partial=partial, columns=columns, **shared, **plan.sizes)
    gweight, gbias = (xp.empty(columns, "f4") for _ in range(2))
    totals = {"columns": columns, "width": plan.width, "blocks": plan.blocks}
    launch("layer_norm_vjp_totals", partial=partial, gweight=gweight, gbias=gbias, **totals)
    return gx, rows.from_vector(gweight), rows.from_vector(gbias)
