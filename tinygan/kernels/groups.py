"""Operands of kernels that take many parameters in one call: ``a0, b0, a1, b1, ...``.

What a step does to each of fifty parameters is too little for a call of its own. Group i holds the
arrays that belong to parameter i, in the order of the kernel's *roles*, such as p, g, m, v of Adam.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import DtypeError, ShapeError
from .arrays import Array
from .native import why_not
from .numba_pool import FLOATS


def groups(op: str, arrays: Sequence[Array], roles: Sequence[str]) -> list[Sequence[Array]]:
    """Cut operands into groups, and check that the arrays of each agree.

    Raises:
        ShapeError: the number of arrays is no multiple of that of the roles, or shapes differ.
        DtypeError: dtypes differ within a group.
    """
    width = len(roles)
    if len(arrays) % width:
        raise ShapeError(f"{op}: takes groups of {', '.join(roles)}, got {len(arrays)} arrays")
    found = [arrays[i : i + width] for i in range(0, len(arrays), width)]
    for first, *others in found:
        for role, a in zip(roles[1:], others, strict=True):
            if a.shape != first.shape:
                must = f"{role} must have the shape of {roles[0]} {first.shape}"
                raise ShapeError(f"{op}: {must}, got {a.shape}")
            if a.dtype != first.dtype:
                kinds = f"{roles[0]} is {first.dtype}, {role} is {a.dtype}"
                raise DtypeError(f"{op}: {kinds}; they must agree")
    return found


def cpp_refusal(arrays: Sequence[Array], width: int, in_place: Sequence[int]) -> str | None:
    """Return why the C++ kernels can't take groups of so many arrays, or None.

    Args:
        arrays: the operands.
        width: how many arrays a group has.
        in_place: which of a group are read or written where they lie; others may be copied first.
    """
    if reason := why_not():
        return reason
    for i in range(0, len(arrays), width):
        first = arrays[i]
        if first.dtype not in FLOATS:
            return f"takes float32 and float64, got {first.dtype}"
        if any(a.dtype != first.dtype for a in arrays[i + 1 : i + width]):
            return "takes one dtype a group"
        placed = [arrays[i + k] for k in in_place if i + k < len(arrays)]
        if not all(a.flags.carray for a in placed) and (reason := _layout_refusal(placed)):
            return reason
    return None


def _layout_refusal(arrays: Sequence[Array]) -> str | None:
    """Say why arrays can't be seen as flat ones in one order, or return None."""
    first = arrays[0]
    order = sorted(range(first.ndim), key=lambda axis: -first.strides[axis])
    if any(a.ndim != first.ndim or not a.transpose(order).flags.c_contiguous for a in arrays):
        return "takes arrays without gaps, in one memory order"
    if not all(a.flags.behaved for a in arrays):
        return "takes aligned arrays that can be written to"
    return None


def laid_out_as(a: Array, like: Array) -> Array:
    """Return ``a`` in the memory order of ``like``, aligned, apart from it; a copy if need be."""
    alike = a.strides == like.strides or (a.flags.c_contiguous and like.flags.c_contiguous)
    if alike and a.flags.aligned and not np.may_share_memory(a, like):
        return a
    out = np.empty_like(like)
    out[...] = a
    return out
