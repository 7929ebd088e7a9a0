"""CUDA spectral normalisation (csrc/spectral_norm/spectral_norm.cu): sums in float64."""

from __future__ import annotations

from typing import Any

from ..arrays import Array, check_cotangent, xp_of
from ..cuda import launch, register_cuda
from ..cuda.segments import int_refusal, segment_plan
from ..reduce.rows import c_order
from .spec import check_operands, check_steps


@register_cuda("spectral_norm", "gemv", supports=int_refusal, accumulate="float64")
def spectral_norm(w: Array, u: Array, v: Array) -> Array:
    """Divide w by ``u^T W v``; see the reference."""
    check_operands("spectral_norm", w, u, v)
    matrix, y = _matrix(w), xp_of(w).empty(w.shape, "f4")
    dots, _ = _rows(matrix, c_order(v))
    launch("spectral_norm", w=matrix, u=c_order(u), dots=dots, y=y, n=w.size, rows=len(w))
    out: Array = y
    return out


@register_cuda("spectral_norm_vjp", "gemv", supports=int_refusal, accumulate="float64")
def spectral_norm_vjp(w: Array, u: Array, v: Array, gy: Array) -> tuple[Array, Array, Array]:
    """Return the cotangents of w, u and v; see the reference."""
    check_operands("spectral_norm_vjp", w, u, v)
    check_cotangent("spectral_norm_vjp", gy, w.shape, w.dtype)
    matrix, g, u, v = _matrix(w), _matrix(gy), c_order(u), c_order(v)
    dots, gdots = _rows(matrix, v, g)
    partial = _columns(matrix, u)
    gw, gu, gv = (xp_of(w).empty(a.shape, "f4") for a in (w, u, v))
    launch(
        "spectral_norm_vjp",
        gy=g,
        u=u,
        v=v,
        dots=dots,
        gdots=gdots,
        partial=partial,
        gw=gw,
        gu=gu,
        gv=gv,
        n=w.size,
        rows=len(u),
        columns=len(v),
        width=partial.shape[1],
        blocks=len(partial),
    )
    return gw, gu, gv


@register_cuda("power_iteration", "gemv", supports=int_refusal, accumulate="float64")
def power_iteration(w: Array, u: Array, *, steps: int, eps: float) -> tuple[Array, Array]:
    """Return new (u, v) after ``steps`` rounds; see the reference."""
    check_operands("power_iteration", w, u)
    check_steps(steps)
    matrix, u = _matrix(w), c_order(u)
    for _ in range(steps):
        v = _unit(_columns(matrix, u), matrix.shape[1], eps)
        u = _unit(_rows(matrix, v)[0][None], matrix.shape[0], eps)
    return u, v


def _matrix(w: Array) -> Array:
    return c_order(w).reshape(w.shape[0], -1)


def _rows(matrix: Array, v: Array, gy: Array | None = None) -> tuple[Array, Array | None]:
    """Return W v and, where gy is given, the row sums of gy * W."""
    xp, (rows, columns) = xp_of(matrix), matrix.shape
    dots, gdots = (xp.empty(rows, "f8") for _ in range(2))
    sizes = {"rows": rows, "columns": columns}
    launch("spectral_rows", w=matrix, v=v, gy=gy, dots=dots, gdots=gdots, **sizes)
    return dots, None if gy is None else gdots


def _columns(matrix: Array, u: Array) -> Array:
    """Return partial sums (blocks, W) of W^T u."""
    plan = segment_plan(matrix.size, 1, matrix.shape[1])
    partial = plan.partial(xp_of(matrix), 1)
    launch("spectral_columns", w=matrix, u=u, partial=partial, columns=plan.channels, **plan.sizes)
    return partial.reshape(plan.blocks, plan.width)


def _unit(partial: Array, extent: int, eps: float) -> Array:
    """Return the sums of partial (blocks, W), as a unit vector."""
    xp, (blocks, width) = xp_of(partial), partial.shape
    unit: Any = xp.empty(extent, "f4")
    sizes = {"blocks": blocks, "width": width, "extent": extent, "eps": eps}
    launch("spectral_unit", partial=partial, sums=xp.empty(extent, "f8"), unit=unit, **sizes)
    out: Array = unit
    return out
