"""What a node keeps of a tensor whose values its rule never reads: the place, and an outline.

    a node keeps       values it reads           the tensor itself
                       shape and dtype alone     an outlined tensor: its place in the graph

So an activation is freed as soon as nobody will read it again: the sum that goes into a ReLU, the
output of a convolution before its bias. Of SNGAN's ResNets that is more than half of what a step
held (bench/steps.py). An outlined tensor has the node, the version and the shape of the tensor that
it stands for, so to the reverse pass, which goes by places, it is that tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import GraphError
from ..kernels.arrays import xp_of
from .tensor import Tensor

# Bytes: arrays up to this size are kept whole. An outline costs a microsecond, and they are few.
LEAST = 1 << 18


class Outline:
    """Shape and dtype of an array, where the array would be; reading it raises ``GraphError``."""

    __slots__ = ("dtype", "nbytes", "ndim", "shape", "size", "xp")

    def __init__(self, array: Any) -> None:
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.size, self.nbytes, self.xp = array.size, array.nbytes, library(array)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self._error()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name) if name.startswith("__") else self._error()

    def _error(self) -> GraphError:
        return GraphError(
            f"a vjp rule read values of shape {self.shape} that its op said it does not read; "
            "Op(..., reads=...) must name them"
        )


def library(data: Any) -> Any:
    """Return ``numpy`` or ``cupy``, also for an outline."""
    return data.xp if _is_outline(data) else xp_of(data)


def _is_outline(data: Any) -> bool:
    return type(data) is Outline


def outlined(xs: tuple[Tensor, ...], read: slice) -> tuple[Tensor, ...]:
    """Return ``xs`` as a node keeps them whose rule reads the values of ``xs[read]`` alone.

    Leaves stay as they are: they are known by themselves, and alive anyway.
    """
    kept = range(len(xs))[read]
    return tuple(
        [
            x if x.node is None or i in kept or x._data.nbytes <= LEAST else _stand_in(x, None)
            for i, x in enumerate(xs)
        ]
    )


def restored(ys: Sequence[Tensor | None], arrays: Sequence[Any]) -> list[Tensor | None]:
    """Give outlined outputs the arrays that their own node has saved."""
    return [
        _stand_in(y, array) if y is not None and _is_outline(y._data) else y
        for y, array in zip(ys, arrays, strict=True)
    ]


def _stand_in(x: Tensor, data: Any) -> Tensor:
    """Return a tensor at the place of ``x``: with ``data``, or for None with an outline of x's."""
    t = Tensor.__new__(Tensor)
    if data is None:
        data = Outline(x._data)
    t._data = data
    t._version, t.node, t.index = x._version, x.node, x.index
    t.requires_grad, t.grad = x.requires_grad, None
    return t
