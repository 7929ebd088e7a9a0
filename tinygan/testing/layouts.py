"""Memory layouts: the same values, laid out as slicing, flipping and transposing leave them."""

from __future__ import annotations

from typing import Any

from ..autograd.op import Cotangents, Needs, Op, Tensors
from ..kernels.arrays import Array, xp_of

LAYOUTS = ("c", "channels_last", "f", "reversed", "strided")


def lay_out_array(x: Array, layout: str) -> Array:
    """Return the values of ``x`` in a memory of their own, laid out as named.

    Args:
        x: an array of floats or integers.
        layout: one of ``LAYOUTS``; ``strided`` leaves gaps (of NaN, for floats) in every axis.
    """
    xp = xp_of(x)
    flip, every_other = ((slice(None, None, step),) * x.ndim for step in (-1, 2))
    out: Array = xp.ascontiguousarray(x).reshape(x.shape)
    if layout == "f" and x.ndim:  # asfortranarray makes 1-d arrays of 0-d ones
        out = xp.asfortranarray(x)
    elif layout == "channels_last" and x.ndim > 2:
        out = xp.moveaxis(xp.ascontiguousarray(xp.moveaxis(x, 1, -1)), -1, 1)
    elif layout == "reversed" and x.ndim:
        out = xp.ascontiguousarray(x[flip])[flip]
    elif layout == "strided":
        gap = float("nan") if x.dtype.kind == "f" else -1  # must never be read
        wide = xp.full([2 * extent for extent in x.shape], gap, dtype=x.dtype)
        wide[every_other] = x
        out = wide[every_other]
    return out


# The identity, so that an op meets its operands, and its vjp rule its cotangents, in any layout.
lay_out = Op("lay_out", lambda x, *, layout: lay_out_array(x, layout), reads="shapes")


@lay_out.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, **params: Any) -> Cotangents:
    return (lay_out(g[0], **params),)
