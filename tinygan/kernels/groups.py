"""Operands of kernels that take many parameters in one call: ``a0, b0, a1, b1, ...``.

What a step does to each of fifty parameters is too little for a call of its own. Group i holds the
arrays that belong to parameter i, in the order of the kernel's *roles*, such as p, g, m, v of Adam.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import DtypeError, ShapeError
from .arrays import FLOATS, Array, is_numpy, xp_of
from .native import why_not


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
        for a in others:
            if a.shape != first.shape or a.dtype != first.dtype:
                raise _misfit(op, (first, *others), roles)
    return found


def _misfit(op: str, group: Sequence[Array], roles: Sequence[str]) -> ShapeError | DtypeError:
    """Say which array of a group does not fit the first."""
    first = group[0]
    for role, a in zip(roles, group, strict=True):
        if a.shape != first.shape:
            must = f"{role} must have the shape of {roles[0]} {first.shape}"
            return ShapeError(f"{op}: {must}, got {a.shape}")
    role, a = next(pair for pair in zip(roles, group, strict=True) if pair[1].dtype != first.dtype)
    return DtypeError(f"{op}: {roles[0]} is {first.dtype}, {role} is {a.dtype}; they must agree")


def cpp_refusal(arrays: Sequence[Array], width: int, in_place: Sequence[int]) -> str | None:
    """Return why the C++ kernels can't take groups of so many arrays, or None.

    Args:
        arrays: the operands.
        width: how many arrays a group has.
        in_place: which of a group are read or written where they lie; others may be copied first.
    """
    if reason := why_not():
        return reason
    for i in range(0, len(arrays), width):  # plain loops: this runs for every array of every step
        group = arrays[i : i + width]
        dtype = group[0].dtype
        if dtype not in FLOATS:
            return f"takes float32 and float64, got {dtype}"
        for a in group:
            if a.dtype != dtype:
                return f"takes one dtype a parameter, got {dtype} and {a.dtype}"
        for k in in_place:
            if k < len(group) and not group[k].flags.carray:
                if reason := _layout_refusal([group[k] for k in in_place if k < len(group)]):
                    return reason
                break
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
    aligned = a.flags.aligned if is_numpy(a) else True
    if alike and aligned and not _may_share(a, like):
        return a
    out: Array = xp_of(like).empty_like(like)
    out[...] = a
    return out


def _may_share(a: Array, b: Array) -> bool:
    if a.base is None and b.base is None:  # each owns its memory
        return a is b
    return bool(xp_of(a).may_share_memory(a, b))
