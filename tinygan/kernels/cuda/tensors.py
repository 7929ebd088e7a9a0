"""Many tensors in one launch: their addresses, packed as csrc/common/tg_tensors.cuh reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..arrays import Array, is_numpy
from .launch import Packed, address, launch
from .spec import over

ROLES, MOST = 5, 64  # kRoles, kMostTensors
_LAYOUT = np.dtype([("data", np.uint64, (ROLES, MOST)), ("size", np.int32, (MOST,))])
_BLOCKS = 512  # of a tensor at most: with a few large ones that fills every multiprocessor
_FLOAT32 = np.dtype(np.float32)


def tensors_refusal(arrays: Sequence[Array], width: int, in_place: Sequence[int]) -> str | None:
    """Return why kernels over many tensors can't take groups of so many arrays, or None.

    Args:
        arrays: the operands, group by group.
        width: how many arrays a group has, at most ``ROLES``.
        in_place: which of a group are read or written where they lie; others may be copied first.
    """
    for i in range(0, len(arrays), width):
        group = arrays[i : i + width]
        if any(a.dtype != _FLOAT32 for a in group):
            return f"takes float32, got {', '.join(str(a.dtype) for a in group)}"
        if group[0].size >= 2**31 - 2**20:
            return "takes fewer than 2**31 elements a tensor"
        placed = [group[k] for k in in_place if k < len(group)]
        order = memory_order(placed[0])
        if not all(a.transpose(order).flags.c_contiguous for a in placed):
            return "takes arrays without gaps, in one memory order"
        if any(is_numpy(a) and not a.flags.behaved for a in placed):
            return "takes aligned arrays that can be written to"
    return None


def memory_order(a: Array) -> tuple[int, ...]:
    """Return the axes from the widest stride to the narrowest."""
    return tuple(sorted(range(a.ndim), key=lambda axis: -a.strides[axis]))


def over_tensors(entry: str, groups: Sequence[Sequence[Array]], **rest: Any) -> None:
    """Launch a kernel on all groups, ``MOST`` at a time.

    Args:
        entry: its name in the table.
        groups: for each tensor its arrays in the order of the kernel's roles; dense, one order.
        rest: the kernel's other arguments but ``count`` and ``blocks``.
    """
    filled = [group for group in groups if group[0].size]
    for first in range(0, len(filled), MOST):
        some = filled[first : first + MOST]
        largest = max(group[0].size for group in some)
        blocks = min(over(largest, 4 * 256), _BLOCKS)
        launch(entry, tensors=_packed(entry, some), count=len(some), blocks=blocks, **rest)


def _packed(entry: str, groups: Sequence[Sequence[Array]]) -> Packed:
    table = np.zeros((), _LAYOUT)
    libraries: dict[str, int] = {}
    for t, group in enumerate(groups):
        table["size"][t] = group[0].size
        for role, a in enumerate(_flat(group)):
            table["data"][role, t] = address(entry, f"tensor {t}", _FLOAT32, a, libraries)
    return Packed(table.tobytes(), libraries, tuple(a for g in groups for a in g))


def _flat(group: Sequence[Array]) -> Iterator[Array]:
    order = memory_order(group[0])
    return (a.transpose(order) for a in group)
